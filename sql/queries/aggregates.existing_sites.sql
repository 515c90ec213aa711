-- Returns those of some sites that are registered.
-- $1 site keys
select key from sites where key = any($1::text[])
