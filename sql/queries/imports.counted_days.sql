-- Returns those of some days on which a site has counted something.
-- $1 site id, $2 days
select distinct day from aggregates
where site_id = $1 and day = any($2::date[]) and (views > 0 or visits > 0 or visitors > 0)
order by day
