-- Returns those of some days on which a site counted by itself, not by an import.
-- $1 site id, $2 days
select distinct day from aggregates
where site_id = $1 and day = any($2::date[]) and generation not like 'import-%' and views > 0
order by day
