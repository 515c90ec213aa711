-- Sums the ledger of each of the latest days of some sites.
-- $1 site ids, $2 first day of each
select
    adjustments.site_id, adjustments.day,
    sum(case when metric = 'views' then amount else 0 end)::bigint as views,
    sum(case when metric = 'visits' then amount else 0 end)::bigint as visits,
    sum(case when metric = 'visitors' then amount else 0 end)::bigint as visitors
from unnest($1::integer[], $2::date[]) as site (id, first_day)
join adjustments on adjustments.site_id = site.id and adjustments.day >= site.first_day
where page is null
group by adjustments.site_id, adjustments.day
