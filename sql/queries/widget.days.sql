-- Sums each day of a stretch of days of a site.
-- $1 site id, $2 first day, $3 last day
select
    day,
    sum(views)::bigint as views, sum(visits)::bigint as visits,
    sum(visitors)::bigint as visitors, sum(bots)::bigint as bots
from aggregates
where site_id = $1 and day between $2 and $3
group by day
