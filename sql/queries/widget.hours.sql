-- Sums the views and visits of each local hour of a stretch of days of a site, without some buckets.
-- A row without an hour tells that the hours of its day are kept no longer.
-- $1 site id, $2 first day, $3 last day; the buckets left out: $4 days, $5 lanes, $6 generations, $7 parts
select day, (hour.number - 1)::integer as hour, sum(hour.views)::bigint as views, sum(hour.visits)::bigint as visits
from aggregates
left join lateral unnest(hour_views, hour_visits) with ordinality as hour (views, visits, number) on true
where site_id = $1
    and day between $2 and $3
    and (day, lane, generation, part) not in (
        select * from unnest($4::date[], $5::text[], $6::text[], $7::bigint[])
    )
group by day, hour.number
