-- Gives an id to each page that has none; fails where a site is gone, as its pages then have no site.
-- $1 site ids, $2 paths
with known as materialized ( -- each site is locked once; a foreign key would do so for each page
    select id from sites where id = any($1::integer[]) for key share
)
insert into pages (site_id, path)
select distinct known.id, page.path
from unnest($1::integer[], $2::text[]) as page (site_id, path)
left join known on known.id = page.site_id
left join lateral ( -- with a limit it is looked up page by page, however many there are
    select id from pages where pages.site_id = page.site_id and pages.path = page.path limit 1
) as named on true
where named.id is null
order by 1, 2
on conflict (site_id, path) do nothing
