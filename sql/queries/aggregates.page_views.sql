-- Sums the views of some pages of a site over all days, without some buckets.
-- $1 site id, $2 paths; the buckets left out: $3 days, $4 lanes, $5 generations, $6 parts
select pages.path, coalesce(sum(page_aggregates.views), 0)::bigint as views
from pages
left join page_aggregates on page_aggregates.page_id = pages.id
    and (day, lane, generation, part) not in (
        select * from unnest($3::date[], $4::text[], $5::text[], $6::bigint[])
    )
where pages.site_id = $1 and pages.path = any($2::text[])
group by pages.path
