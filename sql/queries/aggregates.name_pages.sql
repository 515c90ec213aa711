-- Gives an id to each page that has none.
-- $1 site ids, $2 paths
insert into pages (site_id, path)
select distinct site_id, path from unnest($1::integer[], $2::text[]) as page (site_id, path)
where not exists (select from pages where pages.site_id = page.site_id and pages.path = page.path)
order by site_id, path
on conflict (site_id, path) do nothing
