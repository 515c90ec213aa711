-- Finds the sites whose views of this local hour are most above those of the same hour in the four weeks before.
-- $1 now, $2 fewest views that are looked at, $3 how many sites
with here as (
    select id, key, $1::timestamptz at time zone time_zone as at from sites where enabled
),
counted as (
    select
        here.key,
        sum(hour_views[extract(hour from here.at)::integer + 1]) filter (where day = here.at::date) as views,
        sum(hour_views[extract(hour from here.at)::integer + 1]) filter (where day < here.at::date) / 4 as usual
    from here
    join aggregates on site_id = here.id
        and day in (here.at::date, here.at::date - 7, here.at::date - 14, here.at::date - 21, here.at::date - 28)
    group by here.key
)
select key, views::bigint, usual::float8 from counted
where views >= $2 and usual > 0
order by views / usual desc, key
limit $3
