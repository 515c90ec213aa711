-- Notes that the number of lanes becomes another one, and returns how many there ever were.
-- $1 lanes
insert into lanes (used, known, moved)
select $1, greatest($1, max(lane::integer) + 1), false
from generations
where translate(lane, '0123456789', '') = ''
on conflict (is_one) do update set
    used = excluded.used,
    known = greatest(lanes.known, excluded.known),
    moved = false,
    changed_at = now()
returning known
