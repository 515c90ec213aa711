-- Returns what there is of each site: totals, views of pages, rows, adjustments.
select
    sites.key as site, site_totals.views, site_totals.visits, site_totals.visitors, site_totals.bots,
    (
        select coalesce(sum(page_aggregates.views), 0)::bigint
        from pages join page_aggregates on page_aggregates.page_id = pages.id
        where pages.site_id = sites.id
    ) + (select coalesce(sum(carried_views), 0)::bigint from pages where site_id = sites.id) as page_views,
    (select count(*) from aggregates where site_id = sites.id) as rows,
    (select count(*) from adjustments where site_id = sites.id) as adjustments
from sites join site_totals on site_totals.site = sites.key
order by sites.key
