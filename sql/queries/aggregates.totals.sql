-- Sums all days of some sites, kept or carried forward, without some buckets, and adds the adjustments.
-- $1 site ids; the buckets left out: $2 site ids, $3 days, $4 lanes, $5 generations, $6 parts
with kept as (
    select site_id, sum(views) as views, sum(visits) as visits, sum(visitors) as visitors, sum(bots) as bots
    from aggregates
    where site_id = any($1::integer[])
        and (site_id, day, lane, generation, part) not in (
            select * from unnest($2::integer[], $3::date[], $4::text[], $5::text[], $6::bigint[])
        )
    group by site_id
),
removed as (
    select site_id, sum(views) as views, sum(visits) as visits, sum(visitors) as visitors, sum(bots) as bots
    from carried
    where site_id = any($1::integer[])
    group by site_id
),
adjusted as (
    select
        site_id,
        sum(amount) filter (where metric = 'views') as views,
        sum(amount) filter (where metric = 'visits') as visits,
        sum(amount) filter (where metric = 'visitors') as visitors
    from adjustments
    where site_id = any($1::integer[]) and page is null
    group by site_id
)
select
    id as site_id,
    (coalesce(kept.views, 0) + coalesce(removed.views, 0) + coalesce(adjusted.views, 0))::bigint as views,
    (coalesce(kept.visits, 0) + coalesce(removed.visits, 0) + coalesce(adjusted.visits, 0))::bigint as visits,
    (coalesce(kept.visitors, 0) + coalesce(removed.visitors, 0) + coalesce(adjusted.visitors, 0))::bigint as visitors,
    (coalesce(kept.bots, 0) + coalesce(removed.bots, 0))::bigint as bots
from unnest($1::integer[]) as site (id)
left join kept on kept.site_id = site.id
left join removed on removed.site_id = site.id
left join adjusted on adjusted.site_id = site.id
