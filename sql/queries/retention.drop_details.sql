-- Drops the hours and the sketch of days that are old enough, of the next sites in the order of their ids.
-- Returns after which site to go on (null at the end), and how many rows were changed. Where the limit of rows was
-- met, the same sites are looked at again.
-- $1 id of the last site looked at before, $2 how many sites, $3 how many rows, $4 now,
-- the open buckets: $5 site keys, $6 days
with looked as (
    select id, key, (($4::timestamptz at time zone time_zone)::date - nullif(hours_days, 0)) as first_kept
    from sites
    where id > $1::integer
    order by id
    limit $2
),
old as (
    select looked.id, found.*
    from looked cross join lateral (
        select day, generation, part, lane
        from aggregates
        where site_id = looked.id
            and day < looked.first_kept
            and hour_views is not null
            and rolled_up_at < now() - interval '1 day'
            and (looked.key, day) not in (select * from unnest($5::text[], $6::date[]))
        limit $3
    ) as found
    limit $3
),
changed as (
    update aggregates as kept set hour_views = null, hour_visits = null, hyperloglog = ''
    from old
    where (kept.site_id, kept.day, kept.generation, kept.part, kept.lane)
        = (old.id, old.day, old.generation, old.part, old.lane)
    returning kept.site_id
)
select
    case when count(*) = $3 then $1::integer else (select max(id) from looked) end as last_site,
    count(*) as changed
from changed
