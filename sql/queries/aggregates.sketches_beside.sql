-- Returns the HyperLogLogs of all other buckets of the days of some buckets.
-- the buckets: $1 site ids, $2 days, $3 lanes, $4 generations, $5 parts
select site_id, day, generation, part, lane, hyperloglog
from aggregates
where (site_id, day) in (select * from unnest($1::integer[], $2::date[]))
    and (site_id, day, lane, generation, part) not in (
        select * from unnest($1::integer[], $2::date[], $3::text[], $4::text[], $5::bigint[])
    )
