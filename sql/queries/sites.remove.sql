-- Removes a site with all its numbers and returns its row.
-- $1 key
delete from sites where key = $1
returning *
