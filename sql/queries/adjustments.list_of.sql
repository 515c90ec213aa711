-- Returns rows of the ledger of a site, oldest first.
-- $1 site id, $2 only those after this id, $3 how many at most
select id, created_at, metric, amount, reason, author, day, page, reverses
from adjustments
where site_id = $1 and id > $2
order by id
limit $3
