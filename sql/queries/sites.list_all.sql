-- Returns all sites.
select * from sites order by key
