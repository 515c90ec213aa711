-- migrate:up

-- Into how many lanes sites are put, so that a process that puts them into another number is told.

create table lanes (
    is_one boolean primary key default true check (is_one),
    used integer not null check (used > 0),
    known integer not null check (known >= used),
    moved boolean not null,
    changed_at timestamptz not null default now()
);
comment on table lanes is 'How the hot data in Redis are divided, in a single row.';
comment on column lanes.used is 'COUNTER_LANES of all processes that run.';
comment on column lanes.known is 'The largest number there ever was: so many lanes may still get hits that waited on a disk.';
comment on column lanes.moved is
    'Whether all that the lanes held under another number has been written down. Nobody counts before.';

-- migrate:down
drop table lanes;
