-- Returns the files that were imported into a site.
-- $1 site id
select digest, options, lines from imports where site_id = $1
