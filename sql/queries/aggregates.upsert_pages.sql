-- Writes the absolute views of some pages in some buckets. A row never goes back to fewer.
-- One that is kept no longer is not written again.
-- $1 site ids, $2 paths, $3 days, $4 lanes, $5 generations, $6 parts, $7 views
insert into page_aggregates as kept (page_id, day, lane, generation, part, views)
select pages.id, bucket.day, bucket.lane, bucket.generation, bucket.part, bucket.views
from unnest(
    $1::integer[], $2::text[], $3::date[], $4::text[], $5::text[], $6::bigint[], $7::bigint[]
) as bucket (site_id, path, day, lane, generation, part, views)
join pages on pages.site_id = bucket.site_id and pages.path = bucket.path
where not exists (
        select from carried
        where (carried.site_id, carried.lane, carried.generation) = (bucket.site_id, bucket.lane, bucket.generation)
            and bucket.day <= carried.pages_through and bucket.part <= carried.pages_part
    )
    or exists (
        select from page_aggregates as written
        where (written.page_id, written.day, written.generation, written.part, written.lane)
            = (pages.id, bucket.day, bucket.generation, bucket.part, bucket.lane)
    )
order by pages.id, bucket.day, bucket.generation, bucket.part, bucket.lane
on conflict (page_id, day, generation, part, lane) do update set
    views = excluded.views
where excluded.views > kept.views
