-- Sums each day of a stretch of days of a site, with its adjustments.
-- $1 site id, $2 first day, $3 last day
select
    day,
    sum(views)::bigint as views, sum(visits)::bigint as visits,
    sum(visitors)::bigint as visitors, sum(bots)::bigint as bots
from (
    select day, views, visits, visitors, bots from aggregates where site_id = $1
    union all
    select
        day,
        case when metric = 'views' then amount else 0 end,
        case when metric = 'visits' then amount else 0 end,
        case when metric = 'visitors' then amount else 0 end,
        0
    from adjustments
    where site_id = $1 and page is null
) as figures
where day between $2 and $3
group by day
