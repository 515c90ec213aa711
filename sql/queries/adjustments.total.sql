-- Returns the total of a site by metric, as far as it is rolled up.
-- $1 site key
select views, visits, visitors from site_totals where site = $1
