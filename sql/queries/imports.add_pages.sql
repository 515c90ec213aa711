-- Adds the views of the pages of a log, whose generation has none yet. The pages have their ids.
-- $1 site id, $2 lane, $3 generation, $4 paths, $5 days, $6 views
insert into page_aggregates (page_id, day, lane, generation, part, views)
select pages.id, page.day, $2, $3, 0, page.views
from unnest($4::text[], $5::date[], $6::bigint[]) as page (path, day, views)
join pages on pages.site_id = $1 and pages.path = page.path
order by pages.id, page.day
