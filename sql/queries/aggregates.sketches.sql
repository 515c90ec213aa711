-- Returns the HyperLogLogs of all buckets of some days, but for some buckets.
-- $1 site ids, $2 days, pairwise; the buckets left out: $3 site ids, $4 days, $5 lanes, $6 generations, $7 parts
select site_id, day, generation, part, lane, hyperloglog
from aggregates
where (site_id, day) in (select * from unnest($1::integer[], $2::date[]))
    and (site_id, day, lane, generation, part) not in (
        select * from unnest($3::integer[], $4::date[], $5::text[], $6::text[], $7::bigint[])
    )
