-- migrate:up

-- The durable half of the visitor counter. Redis holds the open buckets; every ten seconds the rollup writes
-- their absolute values here. All numbers shown can be derived from `aggregates` and `adjustments` (see the
-- view `site_totals`).

create table sites (
    id integer generated always as identity primary key,
    key text not null unique check (key ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
    enabled boolean not null default true,
    name text not null default '',
    hosts text[] not null default '{}',
    time_zone text not null default 'Asia/Ho_Chi_Minh',
    first_weekday integer not null default 1 check (first_weekday between 1 and 7),
    visit_timeout_seconds integer not null default 1800 check (visit_timeout_seconds between 60 and 86400),
    online_window_seconds integer not null default 300 check (online_window_seconds between 10 and 3600),
    page_cap integer not null default 10000 check (page_cap between 0 and 1000000),
    query_allow text[] not null default '{}',
    metric text not null default 'visits' check (metric in ('visits', 'views', 'visitors')),
    created_at timestamptz not null default now(),
    changed_at timestamptz not null default now()
);
comment on table sites is 'What is counted. counter/sites/model.py explains each setting.';

-- Workers keep all sites in memory; this tells them to look again.
create function notify_sites() returns trigger language plpgsql as $$
begin
    perform pg_notify('counter_sites', '');
    return null;
end $$;
create trigger sites_changed after insert or update or delete or truncate on sites
    for each statement execute function notify_sites();

create table aggregates (
    site_id integer not null references sites on delete cascade,
    day date not null,
    lane text not null,
    generation text not null,
    part bigint not null,
    views bigint not null check (views >= 0),
    visits bigint not null check (visits >= 0 and visits <= views),
    visitors bigint not null check (visitors >= 0),
    bots bigint not null check (bots >= 0),
    hour_views bigint[] not null check (cardinality(hour_views) = 24),
    hour_visits bigint[] not null check (cardinality(hour_visits) = 24),
    hyperloglog bytea not null,
    version bigint not null,
    rolled_up_at timestamptz not null default now(),
    primary key (site_id, day, generation, part, lane)
);
comment on table aggregates is
    'One row for each bucket: a site, a local day, a generation of Redis, a lane. A day has more than one row when '
    'Redis began a new generation during it, when hits came in after it was closed, or when a log was imported. '
    'The figures of a day are the sums over its rows.';
comment on column aggregates.generation is 'Life of the Redis server, or import-… for an imported file.';
comment on column aggregates.part is 'Tells the buckets of one day and generation apart.';
comment on column aggregates.visitors is
    'Distinct visitors (estimate, standard error 0.81 %) that this row adds to the rows of the day before it in '
    'the order of generation, part and lane.';
comment on column aggregates.bots is 'Views by bots; they are in no other figure.';
comment on column aggregates.hour_views is 'Views of each local hour, from 0 to 23.';
comment on column aggregates.hyperloglog is 'The sketch of the visitors as Redis stores it; empty if there was none.';
comment on column aggregates.version is 'Grows with each change of the bucket; a row never goes back to a lower one.';

create table pages (
    id bigint generated always as identity primary key,
    site_id integer not null references sites on delete cascade,
    path text not null,
    unique (site_id, path)
);
comment on column pages.path is 'The normalised path; (other) holds the views of pages above the cap of the site.';

create table page_aggregates (
    page_id bigint not null references pages on delete cascade,
    day date not null,
    lane text not null,
    generation text not null,
    part bigint not null,
    views bigint not null check (views >= 0),
    primary key (page_id, day, generation, part, lane)
);
comment on table page_aggregates is 'Views of a page, keyed as in aggregates.';

create table adjustments (
    id bigint generated always as identity primary key,
    site_id integer not null references sites on delete cascade,
    metric text not null check (metric in ('visits', 'views', 'visitors')),
    amount bigint not null,
    reason text not null check (reason <> ''),
    author text not null check (author <> ''),
    created_at timestamptz not null default now()
);
create index adjustments_of_site on adjustments (site_id);
comment on table adjustments is
    'The ledger: opening balances and corrections of totals. Rows are only ever added; a mistake is taken back by '
    'a row with the opposite amount.';

create function refuse_change() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' and not exists (select from sites where id = old.site_id) then
        return old; -- the site itself is removed
    end if;
    raise exception 'the ledger is only ever added to; write a row with the opposite amount instead';
end $$;
create trigger adjustments_are_final before update or delete on adjustments
    for each row execute function refuse_change();

create table imports (
    id bigint generated always as identity primary key,
    site_id integer not null references sites on delete cascade,
    digest text not null,
    options text not null,
    file_name text not null,
    lines bigint not null,
    malformed bigint not null,
    finished_at timestamptz not null default now(),
    unique (site_id, digest)
);
comment on table imports is 'Files whose history is in the aggregates, under the generation import-DIGEST.';

create view site_totals as
select
    s.key as site,
    coalesce(a.views, 0) + coalesce(j.views, 0) as views,
    coalesce(a.visits, 0) + coalesce(j.visits, 0) as visits,
    coalesce(a.visitors, 0) + coalesce(j.visitors, 0) as visitors,
    coalesce(a.bots, 0)::bigint as bots
from sites as s
left join lateral (
    select sum(views)::bigint as views, sum(visits)::bigint as visits, sum(visitors)::bigint as visitors,
        sum(bots)::bigint as bots
    from aggregates where site_id = s.id
) as a on true
left join lateral (
    select
        sum(amount) filter (where metric = 'views')::bigint as views,
        sum(amount) filter (where metric = 'visits')::bigint as visits,
        sum(amount) filter (where metric = 'visitors')::bigint as visitors
    from adjustments where site_id = s.id
) as j on true;
comment on view site_totals is 'What the widget shows as total once the last ten seconds are rolled up.';

-- migrate:down
drop view site_totals;
drop table imports, adjustments, page_aggregates, pages, aggregates, sites;
drop function refuse_change, notify_sites;
