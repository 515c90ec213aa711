-- Returns the ledger of a site, oldest first.
-- $1 site id
select id, created_at, metric, amount, reason, author
from adjustments
where site_id = $1
order by id
