-- Carries the rows of old days forward, if a sweep of all pages has passed them, and returns how many.
-- $1 how many rows, $2 when the sweep began by the clock of Postgres, $3 and by ours, the open buckets: $4 site keys,
-- $5 days
select removed from fold_old_days($1, $2, $3, $4::text[], $5::date[])
