-- Sums the ledger and all rows of some sites, each on its own.
-- $1 site ids
select
    sites.id as site_id,
    coalesce(ledger.views, 0)::bigint as ledger_views,
    coalesce(ledger.visits, 0)::bigint as ledger_visits,
    coalesce(ledger.visitors, 0)::bigint as ledger_visitors,
    coalesce(counted.views, 0)::bigint as views,
    coalesce(counted.visits, 0)::bigint as visits,
    coalesce(counted.visitors, 0)::bigint as visitors,
    coalesce(counted.bots, 0)::bigint as bots
from sites
left join (
    select
        site_id,
        sum(case when metric = 'views' then amount end) as views,
        sum(case when metric = 'visits' then amount end) as visits,
        sum(case when metric = 'visitors' then amount end) as visitors
    from adjustments
    where site_id = any($1::integer[]) and page is null
    group by site_id
) as ledger on ledger.site_id = sites.id
left join (
    select
        site_id, sum(views) as views, sum(visits) as visits, sum(visitors) as visitors, sum(bots) as bots
    from (
        select site_id, views, visits, visitors, bots from aggregates
        union all
        select site_id, views, visits, visitors, bots from carried
    ) as days
    where site_id = any($1::integer[])
    group by site_id
) as counted on counted.site_id = sites.id
where sites.id = any($1::integer[])
