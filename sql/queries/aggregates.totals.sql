-- Sums all days of some sites, kept or carried forward, without some buckets, and adds the adjustments.
-- What is left out is taken away from the sum of all, which is read from an index alone.
-- $1 site ids; the buckets left out: $2 site ids, $3 days, $4 lanes, $5 generations, $6 parts
select
    site.id as site_id,
    (kept.views - coalesce(left_out.views, 0) + coalesce(removed.views, 0) + coalesce(adjusted.views, 0))::bigint
        as views,
    (kept.visits - coalesce(left_out.visits, 0) + coalesce(removed.visits, 0) + coalesce(adjusted.visits, 0))::bigint
        as visits,
    (
        kept.visitors - coalesce(left_out.visitors, 0) + coalesce(removed.visitors, 0) + coalesce(adjusted.visitors, 0)
    )::bigint as visitors,
    (kept.bots - coalesce(left_out.bots, 0) + coalesce(removed.bots, 0))::bigint as bots
from unnest($1::integer[]) as site (id)
cross join lateral (
    select
        coalesce(sum(views), 0) as views, coalesce(sum(visits), 0) as visits,
        coalesce(sum(visitors), 0) as visitors, coalesce(sum(bots), 0) as bots
    from aggregates
    where site_id = site.id
) as kept
left join (
    select site_id, sum(views) as views, sum(visits) as visits, sum(visitors) as visitors, sum(bots) as bots
    from aggregates
    where (site_id, day, lane, generation, part) in (
        select * from unnest($2::integer[], $3::date[], $4::text[], $5::text[], $6::bigint[])
    )
    group by site_id
) as left_out on left_out.site_id = site.id
left join lateral (
    select sum(views) as views, sum(visits) as visits, sum(visitors) as visitors, sum(bots) as bots
    from carried
    where site_id = site.id
) as removed on true
left join lateral (
    select
        sum(amount) filter (where metric = 'views') as views,
        sum(amount) filter (where metric = 'visits') as visits,
        sum(amount) filter (where metric = 'visitors') as visitors
    from adjustments
    where site_id = site.id and page is null
) as adjusted on true
