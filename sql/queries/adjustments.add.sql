-- Adds rows to the ledger and returns their ids.
-- $1 site id, $2 metrics, $3 amounts, $4 days, $5 pages, $6 reasons, $7 author, $8 rows taken back, $9 source
insert into adjustments (site_id, metric, amount, day, page, reason, author, reverses, source)
select $1, added.metric, added.amount, added.day, added.page, added.reason, $7, added.reverses, $9
from unnest($2::text[], $3::bigint[], $4::date[], $5::text[], $6::text[], $8::bigint[])
    as added (metric, amount, day, page, reason, reverses)
returning id
