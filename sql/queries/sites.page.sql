-- Returns some sites in the order of their keys: those after a key, whose key, name or a host has a text in it.
-- $1 after this key, $2 text in small letters, $3 how many are left out, $4 how many at most, $5 the only site, if any
select * from sites
where key > $1
    and position($2 in lower(key || ' ' || name || ' ' || array_to_string(hosts, ' '))) > 0
    and ($5::text is null or key = $5)
order by key
offset $3 limit $4
