-- migrate:up

alter table sites add column public_stats boolean not null default false;
comment on column sites.public_stats is 'Whether anybody may see the history, the top pages and the statistics page.';

-- The history of a site reads these columns alone, so ten years of days come out of the index.
create index aggregates_history on aggregates (site_id, day) include (views, visits, visitors, bots);

-- migrate:down
drop index aggregates_history;
alter table sites drop column public_stats;
