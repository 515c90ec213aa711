-- Ends the connection of a leader that has not been heard of, and with it the lease.
-- $1 key of the lease, $2 seconds of silence
select pg_terminate_backend(activity.pid)
from pg_locks as held
join pg_stat_activity as activity on activity.pid = held.pid
where held.locktype = 'advisory'
    and held.granted
    and held.database = (select oid from pg_database where datname = current_database())
    and held.objsubid = 1
    and (held.classid::bigint << 32) | held.objid::bigint = $1
    and activity.state_change < now() - make_interval(secs => $2)
