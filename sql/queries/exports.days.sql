-- Returns the figures of each day of some sites, for an export; those without a day are of days kept no longer.
-- $1 site ids (all if null), $2 first day, $3 last day (no limit if null)
with counted as (
    select
        site_id, day,
        sum(views)::bigint as views, sum(visits)::bigint as visits,
        sum(visitors)::bigint as visitors, sum(bots)::bigint as bots
    from aggregates
    where (day >= $2 or $2::date is null) and (day <= $3 or $3::date is null)
    group by site_id, day
    union all
    select site_id, null, sum(views)::bigint, sum(visits)::bigint, sum(visitors)::bigint, sum(bots)::bigint
    from carried
    where $2::date is null
    group by site_id
    having max(days_through) is not null
)
select sites.key as site, day, views, visits, visitors, bots
from sites join counted on counted.site_id = sites.id
where ($1::integer[] is null or sites.id = any($1))
order by sites.key, day nulls first
