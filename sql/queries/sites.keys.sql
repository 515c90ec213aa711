-- Returns the keys of all sites.
select key from sites
