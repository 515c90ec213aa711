-- Writes the absolute values of some buckets. A row that holds a later version stays as it is.
-- One that is kept no longer, and that an old copy of Redis brings back, is not written again.
-- $1 site ids, $2 days, $3 lanes, $4 generations, $5 parts, $6 views, $7 visits, $8 visitors, $9 bots,
-- $10 views and $11 visits of the hours (as text), $12 HyperLogLogs, $13 versions, $14 tokens (as text)
insert into aggregates as kept (
    site_id, day, lane, generation, part, views, visits, visitors, bots, hour_views, hour_visits, hyperloglog, version,
    tokens
)
select
    site_id, day, lane, generation, part, views, visits, visitors, bots,
    hour_views::bigint[], hour_visits::bigint[], hyperloglog, version, tokens::jsonb
from unnest(
    $1::integer[], $2::date[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
    $9::bigint[], $10::text[], $11::text[], $12::bytea[], $13::bigint[], $14::text[]
) as bucket (
    site_id, day, lane, generation, part, views, visits, visitors, bots, hour_views, hour_visits, hyperloglog, version,
    tokens
)
where not exists (
        select from carried
        where (carried.site_id, carried.lane, carried.generation) = (bucket.site_id, bucket.lane, bucket.generation)
            and bucket.day <= carried.days_through and bucket.part <= carried.days_part
    )
    or exists (
        select from aggregates as written
        where (written.site_id, written.day, written.generation, written.part, written.lane)
            = (bucket.site_id, bucket.day, bucket.generation, bucket.part, bucket.lane)
    )
order by site_id, day, generation, part, lane
on conflict (site_id, day, generation, part, lane) do update set
    views = excluded.views,
    visits = excluded.visits,
    visitors = excluded.visitors,
    bots = excluded.bots,
    hour_views = excluded.hour_views,
    hour_visits = excluded.hour_visits,
    hyperloglog = excluded.hyperloglog,
    version = excluded.version,
    tokens = excluded.tokens,
    rolled_up_at = now()
where excluded.version >= kept.version
