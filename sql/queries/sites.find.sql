-- Returns one site.
-- $1 key
select * from sites where key = $1
