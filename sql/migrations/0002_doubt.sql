-- migrate:up

-- What a worker needs to know when Redis has lost a batch whose outcome the worker never learned.

alter table aggregates add column tokens jsonb not null default '{}';
comment on column aggregates.tokens is
    'Worker → the sequence of its last batch that is in this row. A batch that Redis counted, and lost after it was '
    'rolled up, is found here and not counted again.';

create table generations (
    lane text not null,
    generation text not null,
    begun_at timestamptz not null default now(),
    closed_at timestamptz,
    primary key (lane, generation)
);
comment on table generations is 'The lives of the data in Redis that were rolled up, for each lane.';
comment on column generations.closed_at is
    'Set by a worker that found another generation current and asked which of its batches are in the aggregates: '
    'from then on no row is written that was read while this generation was current.';

-- migrate:down
drop table generations;
alter table aggregates drop column tokens;
