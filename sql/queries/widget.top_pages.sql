-- Returns the pages of a site that were viewed most in a stretch of days.
-- $1 site id, $2 first day, $3 last day, $4 how many pages;
-- what Redis knows better: $5 paths, $6 days, $7 lanes, $8 generations, $9 parts, $10 views
with newer as (
    select * from unnest($5::text[], $6::date[], $7::text[], $8::text[], $9::bigint[], $10::bigint[])
        as newer (path, day, lane, generation, part, views)
),
gained as (
    select newer.path, newer.views - coalesce(kept.views, 0) as views
    from newer
    left join pages on pages.site_id = $1 and pages.path = newer.path
    left join page_aggregates as kept on kept.page_id = pages.id
        and (kept.day, kept.generation, kept.part, kept.lane)
            = (newer.day, newer.generation, newer.part, newer.lane)
    where newer.day between $2 and $3
),
kept as (
    select page_id, sum(views) as views
    from page_aggregates
    where page_id in (select id from pages where site_id = $1) and day between $2 and $3
    group by page_id
),
counted as (
    select pages.path, kept.views from kept join pages on pages.id = kept.page_id
    union all
    select path, views from gained
    union all
    select page, amount from adjustments where site_id = $1 and page is not null and day between $2 and $3
)
select path, sum(views)::bigint as views
from counted
group by path
having sum(views) > 0
order by sum(views) desc, path collate "C"
limit $4
