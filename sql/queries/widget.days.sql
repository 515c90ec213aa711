-- Returns the figures of a stretch of days of a site, with its adjustments: late days one by one, earlier ones summed up.
-- A day may come in parts: to sum up each is dear, and few have more than one row. Where many do they are summed up.
-- $1 site id, $2 first day, $3 last day, $4 from which day on the days come one by one,
-- $5 first days of what is summed up before it, in order; each sum is under the first day that has any figure
with crowded as materialized (
    select count(*) > 2 * ($3::date - $4::date + 1) as days from aggregates where site_id = $1 and day between $4 and $3
)
select
    min(day) as day,
    sum(views)::bigint as views, sum(visits)::bigint as visits,
    sum(visitors)::bigint as visitors, sum(bots)::bigint as bots
from aggregates
where site_id = $1 and day >= $2 and day < $4
group by width_bucket(day, $5::date[])
union all
select day, views, visits, visitors, bots
from aggregates
where site_id = $1 and day between $4 and $3 and not (select days from crowded)
union all
select day, sum(views)::bigint, sum(visits)::bigint, sum(visitors)::bigint, sum(bots)::bigint
from aggregates
where site_id = $1 and day between $4 and $3 and (select days from crowded)
group by day
union all
select
    day,
    case when metric = 'views' then amount else 0 end,
    case when metric = 'visits' then amount else 0 end,
    case when metric = 'visitors' then amount else 0 end,
    0
from adjustments
where site_id = $1 and page is null and day between $2 and $3
