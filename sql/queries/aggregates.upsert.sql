-- Writes the absolute values of some buckets and of their pages, all or nothing.
-- Nothing is written, and `is_open` tells, where the generation in which they were read is over; until the end of this
-- statement it stays open. Nor is it where a bucket is not the only one of its day but should be (`are_alone`). A row
-- that holds a later version stays as it is, and so does one of a page that has more views. One that is kept no longer,
-- and that an old copy of Redis brings back, is not written again.
-- Rows come before pages: who writes the same bucket waits at its row, whatever part of its pages each has in hand; and
-- no page is written without a row, which has a key to the site, so none outlives it. A page that has got its id just
-- now has no rows, so none is looked for: the statement fails if somebody wrote one meanwhile.
-- $1 lane and $2 generation in which they were read (null for an import), $3 whether each must be alone;
-- the buckets: $4 site ids, $5 days, $6 lanes, $7 generations, $8 parts, $9 views, $10 visits, $11 visitors, $12 bots,
-- $13 views and $14 visits of the hours (texts of arrays), $15 HyperLogLogs, $16 versions, $17 tokens (as JSON);
-- their pages: $18 number of the bucket (from 1), $19 id, below zero if it is new, $20 views
-- All but HyperLogLogs and tokens come as the text of an array.
with held as (
    select set_config('idle_in_transaction_session_timeout', '30s', true), generation
    from generations
    where lane = $1 and generation = $2 and closed_at is null
    for share
),
bucket as materialized (
    select
        bucket.*,
        (bucket.day <= carried.days_through and bucket.part <= carried.days_part) is true and not exists (
            select from aggregates as written
            where (written.site_id, written.day, written.generation, written.part, written.lane)
                = (bucket.site_id, bucket.day, bucket.generation, bucket.part, bucket.lane)
        ) as is_removed,
        (bucket.day <= carried.pages_through and bucket.part <= carried.pages_part) is true as are_pages_removed
    from rows from (
        unnest(
            $4::text::integer[], $5::text::date[], $6::text::text[], $7::text::text[], $8::text::bigint[],
            $9::text::bigint[], $10::text::bigint[], $11::text::bigint[], $12::text::bigint[], $13::text::text[],
            $14::text::text[], $15::bytea[], $16::text::bigint[]
        ),
        jsonb_array_elements($17::jsonb)
    ) with ordinality as bucket (
        site_id, day, lane, generation, part, views, visits, visitors, bots, hour_views, hour_visits, hyperloglog,
        version, tokens, number
    )
    left join carried on (carried.site_id, carried.lane, carried.generation)
        = (bucket.site_id, bucket.lane, bucket.generation)
),
judged as materialized (
    select
        $1::text is null or exists (select from held) as is_open,
        not $3 or not exists (
            select from bucket join aggregates as other on (other.site_id, other.day) = (bucket.site_id, bucket.day)
            where (other.generation, other.part, other.lane) <> (bucket.generation, bucket.part, bucket.lane)
        ) as are_alone
),
written as (
    insert into aggregates as kept (
        site_id, day, lane, generation, part, views, visits, visitors, bots, hour_views, hour_visits, hyperloglog,
        version, tokens
    )
    select
        site_id, day, lane, generation, part, views, visits, visitors, bots,
        hour_views::bigint[], hour_visits::bigint[],
        hyperloglog, version, tokens
    from bucket
    where (select is_open and are_alone from judged) and not is_removed
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
    returning 1
),
shown as materialized (
    select
        shown.page_id, day, lane, generation, part, shown.views, are_pages_removed
    from unnest($18::text::bigint[], $19::text::bigint[], $20::text::bigint[]) as shown (number, page_id, views)
    join bucket on bucket.number = shown.number
    where (select is_open and are_alone from judged) and not is_removed and (select count(*) >= 0 from written)
),
new_pages as (
    insert into page_aggregates (page_id, day, lane, generation, part, views)
    select -page_id, day, lane, generation, part, views
    from shown
    where page_id < 0 and not are_pages_removed
    order by 1, day, generation, part, lane
),
written_pages as (
    insert into page_aggregates as kept (page_id, day, lane, generation, part, views)
    select page_id, day, lane, generation, part, views
    from shown
    where page_id > 0 and (
        not are_pages_removed
        or exists (
            select from page_aggregates as written
            where (written.page_id, written.day, written.generation, written.part, written.lane)
                = (shown.page_id, shown.day, shown.generation, shown.part, shown.lane)
        )
    )
    order by page_id, day, generation, part, lane
    on conflict (page_id, day, generation, part, lane) do update set
        views = excluded.views
    where excluded.views > kept.views
)
select is_open, are_alone from judged
