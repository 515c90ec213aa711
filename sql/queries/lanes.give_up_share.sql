-- Gives up this connection's share in the number of lanes.
-- $1 key of the lock
select pg_advisory_unlock_shared($1)
