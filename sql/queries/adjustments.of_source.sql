-- Returns the rows of a list that were not taken back.
-- $1 site id, $2 source
select id from adjustments as kept
where site_id = $1 and source = $2 and not exists (select from adjustments as later where later.reverses = kept.id)
order by id
