-- Returns the views and visits of each local hour of some sites, for an export.
-- $1 site ids (all if null), $2 first day, $3 last day (no limit if null)
select
    sites.key as site, day, (hour.number - 1)::integer as hour,
    sum(hour.views)::bigint as views, sum(hour.visits)::bigint as visits
from sites join aggregates on aggregates.site_id = sites.id
cross join lateral unnest(hour_views, hour_visits) with ordinality as hour (views, visits, number)
where ($1::integer[] is null or sites.id = any($1))
    and (day >= $2 or $2::date is null) and (day <= $3 or $3::date is null)
group by sites.key, day, hour.number
order by sites.key, day, hour.number
