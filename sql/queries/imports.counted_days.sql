-- Returns those of some days on which a site has counted something.
-- An opening day, the part 1 of an import, is none: it holds views of pages whose days nobody knows.
-- $1 site id, $2 days
select distinct day from aggregates
where site_id = $1 and day = any($2::date[]) and (views > 0 or visits > 0 or visitors > 0)
    and not (lane = 'import' and part = 1)
order by day
