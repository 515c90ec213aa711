-- Returns some sites, for an export.
-- $1 site ids (all if null)
select * from sites
where ($1::integer[] is null or sites.id = any($1))
order by key
