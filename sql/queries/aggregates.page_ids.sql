-- Returns the ids of pages in the order in which they are asked for, below zero for each that is given one now.
-- Fails where a site is gone, as its pages then have no site, and where another transaction names a page meanwhile.
-- $1 site ids (the text of an array), $2 paths (as JSON): a list takes the driver seven times as long
with page as materialized (
    select page.site_id, page.path, page.number, named.id
    from rows from (unnest($1::text::integer[]), json_array_elements_text($2::json))
        with ordinality as page (site_id, path, number)
    left join lateral ( -- with a limit it is looked up page by page, however many there are
        select id from pages where pages.site_id = page.site_id and pages.path = page.path limit 1
    ) as named on true
),
known as materialized ( -- each site is locked once; a foreign key would do so for each page
    select id from sites where id in (select site_id from page where page.id is null) for key share
),
added as (
    insert into pages (site_id, path)
    select distinct known.id, page.path
    from page left join known on known.id = page.site_id
    where page.id is null
    order by 1, 2
    returning id, site_id, path
)
select array_agg(coalesce(page.id, -added.id) order by page.number)
from page left join added on added.site_id = page.site_id and added.path = page.path and page.id is null
