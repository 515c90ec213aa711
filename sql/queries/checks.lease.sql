-- Returns who holds the lease of the rollup, and for how many seconds that connection has lasted.
-- $1 key of the lease
select
    pid, coalesce(host(client_addr), 'this host') as client,
    coalesce(extract(epoch from now() - backend_start), 0)::bigint as seconds
from pg_locks join pg_stat_activity using (pid)
where locktype = 'advisory' and granted
    and pg_locks.database = (select oid from pg_database where datname = current_database())
    and classid::bigint = $1::bigint >> 32
    and objid::bigint = $1::bigint & 4294967295
    and objsubid = 1
