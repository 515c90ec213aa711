-- Returns the figures of each day of some sites, for an export.
-- $1 site ids (all if null), $2 first day, $3 last day (no limit if null)
select
    sites.key as site, day,
    sum(views)::bigint as views, sum(visits)::bigint as visits,
    sum(visitors)::bigint as visitors, sum(bots)::bigint as bots
from sites join aggregates on aggregates.site_id = sites.id
where ($1::integer[] is null or sites.id = any($1))
    and (day >= $2 or $2::date is null) and (day <= $3 or $3::date is null)
group by sites.key, day
order by sites.key, day
