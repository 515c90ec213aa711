-- Counts the sites whose key, name or a host has a text in it.
-- $1 text in small letters
select count(*) from sites
where position($1 in lower(key || ' ' || name || ' ' || array_to_string(hosts, ' '))) > 0
