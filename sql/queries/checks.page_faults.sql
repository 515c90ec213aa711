-- Returns the rows whose pages have more views together than they, or a page with less than none.
-- $1 site ids, $2 how many rows at most
select
    sites.key as site, counted.day, counted.generation, counted.part, counted.lane,
    counted.views as page_views, counted.least, coalesce(kept.views, 0) as day_views
from (
    select
        pages.site_id, page_aggregates.day, page_aggregates.generation, page_aggregates.part,
        page_aggregates.lane, sum(page_aggregates.views)::bigint as views, min(page_aggregates.views) as least
    from pages join page_aggregates on page_aggregates.page_id = pages.id
    where pages.site_id = any($1::integer[])
    group by 1, 2, 3, 4, 5
) as counted
join sites on sites.id = counted.site_id
left join (select * from aggregates where site_id = any($1::integer[])) as kept
    using (site_id, day, generation, part, lane)
where counted.views > coalesce(kept.views, 0) or counted.least < 0
order by site, day, generation, part, lane
limit $2
