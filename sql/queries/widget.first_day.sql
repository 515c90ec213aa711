-- Returns the first day of which a site has any figure.
-- $1 site id
select min(day) from aggregates where site_id = $1
