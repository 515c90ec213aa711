-- Returns those of some buckets whose rows have not reached a version, if their sites are still registered.
-- The buckets: $1 site ids, $2 days, $3 lanes, $4 generations, $5 parts; $6 versions
select site_id, day, generation, part, lane
from unnest($1::integer[], $2::date[], $3::text[], $4::text[], $5::bigint[], $6::bigint[])
    as bucket (site_id, day, lane, generation, part, version)
join sites on sites.id = bucket.site_id
left join aggregates as kept using (site_id, day, lane, generation, part)
where kept.version is null or kept.version < bucket.version
