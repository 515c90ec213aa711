-- Returns the next sites in the order of their keys that were changed by some transaction or a later one.
-- $1 the transaction (null for all sites), $2 their keys come after this one, $3 how many at most
select * from sites
where key > $2 and ($1::text is null or age(xmin) <= age($1::xid))
order by key
limit $3
