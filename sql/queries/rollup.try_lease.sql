-- Takes the lease of the rollup for this connection, if it is free.
-- $1 key of the lease
select pg_try_advisory_lock($1) as taken
