-- Gives up this connection's right to change the number of lanes.
-- $1 key of the lock
select pg_advisory_unlock($1)
