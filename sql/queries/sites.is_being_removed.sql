-- Tells whether Redis may still have numbers of a removed site.
-- $1 key
select exists (select from removed_sites where key = $1)
