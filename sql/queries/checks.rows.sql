-- Returns the rows of some buckets, and how many rows the day of each has.
-- The buckets: $1 site ids, $2 days, $3 lanes, $4 generations, $5 parts
select
    kept.site_id, kept.day, kept.generation, kept.part, kept.lane,
    kept.version, kept.views, kept.visits, kept.visitors, kept.bots, kept.hour_views, kept.hour_visits,
    (
        select count(*) from aggregates as other
        where other.site_id = kept.site_id and other.day = kept.day
    ) as rows_of_day
from unnest($1::integer[], $2::date[], $3::text[], $4::text[], $5::bigint[])
    as bucket (site_id, day, lane, generation, part)
join aggregates as kept using (site_id, day, lane, generation, part)
