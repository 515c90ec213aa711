-- Returns the views of each page of some sites by day, for an export.
-- $1 site ids (all if null), $2 first day, $3 last day (no limit if null)
select sites.key as site, pages.path, day, sum(views)::bigint as views
from sites join pages on pages.site_id = sites.id join page_aggregates on page_aggregates.page_id = pages.id
where ($1::integer[] is null or sites.id = any($1))
    and (day >= $2 or $2::date is null) and (day <= $3 or $3::date is null)
group by sites.key, pages.id, day
order by sites.key, pages.id, day
