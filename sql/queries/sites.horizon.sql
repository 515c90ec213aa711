-- Returns the oldest transaction that is still going on: what is changed after this look is changed by it or a later one.
-- Beside it, how many sites there are.
select pg_snapshot_xmin(pg_current_snapshot())::xid::text as horizon, (select count(*) from sites) as number
