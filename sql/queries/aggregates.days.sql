-- Sums each of the latest days of some sites, without some buckets, and the visitors of rows without a sketch apart, too.
-- $1 site ids; the buckets left out: $2 site ids, $3 days, $4 lanes, $5 generations, $6 parts; $7 first day
select
    site_id, day,
    sum(views)::bigint as views, sum(visits)::bigint as visits,
    sum(visitors)::bigint as visitors, sum(bots)::bigint as bots,
    coalesce(sum(visitors) filter (where hyperloglog = ''), 0)::bigint as apart
from aggregates
where site_id = any($1::integer[])
    and day >= $7
    and (site_id, day, lane, generation, part) not in (
        select * from unnest($2::integer[], $3::date[], $4::text[], $5::text[], $6::bigint[])
    )
group by site_id, day
