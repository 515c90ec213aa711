-- Returns the views of each page of some sites by day, for an export; those without a day are of days kept no longer.
-- $1 site ids (all if null), $2 first day, $3 last day (no limit if null)
select sites.key as site, pages.path, counted.day, counted.views
from sites
join pages on pages.site_id = sites.id
cross join lateral (
    select null::date as day, pages.carried_views as views
    where pages.carried_views > 0 and $2::date is null
    union all
    select day, sum(views)::bigint
    from page_aggregates
    where page_id = pages.id and (day >= $2 or $2::date is null) and (day <= $3 or $3::date is null)
    group by day
) as counted
where ($1::integer[] is null or sites.id = any($1))
order by sites.key, pages.id, counted.day nulls first
