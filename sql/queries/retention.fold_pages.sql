-- Carries the views of pages on old days forward, of the next pages in the order of their ids.
-- Returns the last page that was looked at, and how many rows were removed.
-- $1 id of the last page looked at before, $2 how many pages, $3 how many rows, $4 now,
-- the open buckets: $5 site keys, $6 days
select last_page, removed from fold_old_pages($1, $2, $3, $4, $5::text[], $6::date[])
