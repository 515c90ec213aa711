-- Adds a row to the ledger.
-- $1 site id, $2 metric, $3 amount, $4 reason, $5 author
insert into adjustments (site_id, metric, amount, reason, author)
values ($1, $2, $3, $4, $5)
