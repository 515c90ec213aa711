-- Finds what would be shown as less than nothing: totals of a site, days of it, pages, and days of pages.
-- $1 site id, $2 days that were adjusted, $3 pages that were adjusted
with ledger as (
    select metric, day, page, sum(amount) as amount
    from adjustments
    where site_id = $1
        and (page is null or page = any($3::text[]))
    group by metric, day, page
),
shown as (
    select metric, null::date as day, null::text as page, sum(amount) as amount
    from ledger where page is null group by metric
    union all
    select metric, day, null, sum(amount) from ledger
    where page is null and day = any($2::date[]) group by metric, day
    union all
    select metric, null, page, sum(amount) from ledger where page is not null group by metric, page
    union all
    select metric, day, page, sum(amount) from ledger
    where page is not null and day = any($2::date[]) group by metric, day, page
)
select shown.metric, shown.day, shown.page, (shown.amount + coalesce(counted.amount, 0))::bigint as amount
from shown
left join lateral (
    select sum(
        case shown.metric when 'views' then views when 'visits' then visits else visitors end
    ) as amount
    from aggregates
    where shown.page is null and site_id = $1 and (shown.day is null or aggregates.day = shown.day)
    union all
    select sum(page_aggregates.views)
    from pages join page_aggregates on page_aggregates.page_id = pages.id
    where shown.page is not null and site_id = $1 and path = shown.page
        and (shown.day is null or page_aggregates.day = shown.day)
) as counted on counted.amount is not null
where shown.amount < 0 and shown.amount + coalesce(counted.amount, 0) < 0
order by shown.page nulls first, shown.day nulls first, shown.metric
limit 1
