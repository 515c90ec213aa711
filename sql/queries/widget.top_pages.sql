-- Returns the pages of a site that were viewed most in a stretch of days.
-- $1 site id, $2 first day, $3 last day, $4 how many pages;
-- what Redis knows better: $5 paths, $6 days, $7 lanes, $8 generations, $9 parts, $10 views
with newer as (
    select * from unnest($5::text[], $6::date[], $7::text[], $8::text[], $9::bigint[], $10::bigint[])
        as newer (path, day, lane, generation, part, views)
),
counted as (
    select pages.path, page_aggregates.views
    from pages
    join page_aggregates on page_aggregates.page_id = pages.id
    where pages.site_id = $1
        and page_aggregates.day between $2 and $3
        and (path, day, lane, generation, part) not in (select path, day, lane, generation, part from newer)
    union all
    select path, views from newer where day between $2 and $3
)
select path, sum(views)::bigint as views
from counted
group by path
order by sum(views) desc, path collate "C"
limit $4
