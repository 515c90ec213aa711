-- Returns the moment of this look: the server, by the time of its start, and its oldest transaction still going on.
-- What is changed on this server after this look is changed by that transaction or a later one.
-- Beside it, how many sites there are.
select
    extract(epoch from pg_postmaster_start_time())::text as server,
    pg_snapshot_xmin(pg_current_snapshot())::xid::text as horizon,
    (select count(*) from sites) as number
