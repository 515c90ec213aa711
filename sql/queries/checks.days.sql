-- Sums all rows of each of the latest days of some sites.
-- $1 site ids, $2 first day of each
select
    aggregates.site_id, aggregates.day,
    sum(views)::bigint as views, sum(visits)::bigint as visits,
    sum(visitors)::bigint as visitors, sum(bots)::bigint as bots
from unnest($1::integer[], $2::date[]) as site (id, first_day)
join aggregates on aggregates.site_id = site.id and aggregates.day >= site.first_day
group by aggregates.site_id, aggregates.day
