-- Takes a share in the number of lanes for this connection, unless somebody changes it: with a share nobody may.
-- $1 key of the lock
select pg_try_advisory_lock_shared($1) as taken
