-- Lets a site count, or not, and returns its row.
-- $1 key, $2 enabled
update sites set enabled = $2, changed_at = now() where key = $1
returning *
