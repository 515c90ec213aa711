-- Finds sites without a view in their last full local hour that had some in that hour of each of the four weeks before.
-- Site by site, and further weeks only of those that had enough views in the last: each look is some probes of an index.
-- $1 now, $2 fewest views of that hour in each of these weeks
with here as (
    select id, key, at::date as today, extract(hour from at)::integer + 1 as hour
    from sites cross join lateral (select $1::timestamptz at time zone time_zone - interval '1 hour' as at) as local
    where enabled
)
select here.key, ((last.views + before.views) / 4)::float8 as usual
from here
cross join lateral (
    select sum(hour_views[here.hour]) as views from aggregates where site_id = here.id and day = here.today - 7
) as last
cross join lateral (
    select sum(views) as views, count(*) filter (where views >= $2) as weeks
    from (
        select sum(hour_views[here.hour]) as views
        from generate_series(2, 4) as week
        join aggregates on site_id = here.id and day = here.today - 7 * week
        where last.views >= $2
        group by week
    ) as each
) as before
where last.views >= $2
    and before.weeks = 3
    and coalesce((
        select sum(hour_views[here.hour]) from aggregates where site_id = here.id and day = here.today
    ), 0) = 0
order by usual desc, here.key
