-- Returns the import of a file into a site.
-- $1 site id, $2 digest
select * from imports where site_id = $1 and digest = $2
