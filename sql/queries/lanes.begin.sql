-- Notes the number of lanes where nobody knows it, and nothing was rolled up that could be in another number.
-- $1 lanes
insert into lanes (used, known, moved)
select $1, $1, true
where not exists (select from generations where lane <> '0') and ($1 = 1 or not exists (select from generations))
on conflict do nothing
