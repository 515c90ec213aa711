-- Returns the sites whose ledger grew, and its last row.
-- $1 id of the last row known
select sites.key as site, max(adjustments.id) as last_id
from adjustments join sites on sites.id = adjustments.site_id
where adjustments.id > $1
group by sites.key
