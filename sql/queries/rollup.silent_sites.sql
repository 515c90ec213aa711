-- Finds sites without a view in their last full local hour that had some in that hour of each of the four weeks before.
-- $1 now, $2 fewest views of that hour in each of these weeks
with here as (
    select id, key, $1::timestamptz at time zone time_zone - interval '1 hour' as at from sites where enabled
),
counted as (
    select
        here.key, here.at::date as today, aggregates.day,
        sum(hour_views[extract(hour from here.at)::integer + 1]) as views
    from here
    join aggregates on site_id = here.id
        and day in (here.at::date, here.at::date - 7, here.at::date - 14, here.at::date - 21, here.at::date - 28)
    group by here.key, here.at, aggregates.day
)
select key, (sum(views) / 4)::float8 as usual from counted
group by key
having count(*) filter (where day < today and views >= $2) = 4
    and coalesce(sum(views) filter (where day = today), 0) = 0
order by usual desc, key
