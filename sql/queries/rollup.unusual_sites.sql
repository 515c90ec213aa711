-- Finds the sites whose views of this local hour are most above those of the same hour in the four weeks before.
-- Site by site, and the weeks only of those that have enough views now: each look is some probes of an index.
-- $1 now, $2 fewest views that are looked at, $3 how many sites
with here as (
    select id, key, ($1::timestamptz at time zone time_zone)::date as today,
        extract(hour from $1::timestamptz at time zone time_zone)::integer + 1 as hour
    from sites
    where enabled
)
select here.key, now.views::bigint, before.usual::float8
from here
cross join lateral (
    select sum(hour_views[here.hour]) as views from aggregates where site_id = here.id and day = here.today
) as now
cross join lateral (
    select sum(hour_views[here.hour]) / 4 as usual
    from generate_series(1, 4) as week
    join aggregates on site_id = here.id and day = here.today - 7 * week
    where now.views >= $2
) as before
where now.views >= $2 and before.usual > 0
order by now.views / before.usual desc, here.key
limit $3
