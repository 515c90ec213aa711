-- Finds those days of some sites that have a worker's batch, or a later one of the same worker.
-- $1 lane, $2 worker, $3 sequence, $4 site ids, $5 days
select distinct kept.site_id, kept.day
from unnest($4::integer[], $5::date[]) as wanted (site_id, day)
join aggregates as kept on kept.site_id = wanted.site_id and kept.day = wanted.day
where kept.lane = $1 and (kept.tokens ->> $2)::bigint >= $3
