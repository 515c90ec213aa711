-- Returns which of some rows of a site's ledger there are, and which of them were taken back.
-- $1 site id, $2 ids
select id, metric, amount, day, page, exists (select from adjustments as later where later.reverses = kept.id) as is_reversed
from adjustments as kept
where site_id = $1 and id = any($2::bigint[])
order by id
