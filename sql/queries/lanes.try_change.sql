-- Takes the right to change the number of lanes for this connection, if nobody has a share in it.
-- $1 key of the lock
select pg_try_advisory_lock($1) as taken
