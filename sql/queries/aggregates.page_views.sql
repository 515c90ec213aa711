-- Sums the views of some pages of a site over all days and adjustments, without some buckets.
-- $1 site id, $2 paths; the buckets left out: $3 days, $4 lanes, $5 generations, $6 parts
select asked.path, (coalesce(counted.views, 0) + coalesce(adjusted.views, 0))::bigint as views
from (select distinct unnest($2::text[]) as path) as asked
left join lateral (
    select pages.carried_views + coalesce(sum(page_aggregates.views), 0) as views
    from pages
    left join page_aggregates on page_aggregates.page_id = pages.id
        and (day, lane, generation, part) not in (
            select * from unnest($3::date[], $4::text[], $5::text[], $6::bigint[])
        )
    where pages.site_id = $1 and pages.path = asked.path
    group by pages.id
) as counted on true
left join lateral (
    select sum(amount) as views from adjustments where site_id = $1 and page = asked.path
) as adjusted on true
