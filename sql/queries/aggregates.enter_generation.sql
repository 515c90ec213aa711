-- Notes a generation of a lane and tells whether rows may be written that are read in it.
-- $1 lane, $2 generation
with entered as (
    insert into generations (lane, generation) values ($1, $2) on conflict do nothing
)
select not exists (
    select from generations where lane = $1 and generation = $2 and closed_at is not null
)
