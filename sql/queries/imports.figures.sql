-- Returns what a site shows as far as it is rolled up: its totals, some periods, and how much there is.
-- $1 site id; the first days of periods: $2 today, $3 week, $4 month
select
    total.views, total.visits, total.visitors,
    coalesce(sum(days.visits) filter (where day = $2), 0)::bigint as today,
    coalesce(sum(days.visits) filter (where day >= $3), 0)::bigint as week,
    coalesce(sum(days.visits) filter (where day >= $4), 0)::bigint as month,
    count(distinct day) as days, min(day) as first_day,
    (
        select coalesce(sum(page_aggregates.views), 0)::bigint
        from page_aggregates join pages on pages.id = page_id
        where site_id = $1
    ) as page_views
from sites
join site_totals as total on total.site = sites.key
left join aggregates as days on days.site_id = sites.id
where sites.id = $1
group by total.views, total.visits, total.visitors
