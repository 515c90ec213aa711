-- Sums the adjustments of each of the latest days of some sites.
-- $1 site ids, $2 first day
select
    site_id, day,
    coalesce(sum(amount) filter (where metric = 'views'), 0)::bigint as views,
    coalesce(sum(amount) filter (where metric = 'visits'), 0)::bigint as visits,
    coalesce(sum(amount) filter (where metric = 'visitors'), 0)::bigint as visitors
from adjustments
where site_id = any($1::integer[]) and day >= $2 and page is null
group by site_id, day
