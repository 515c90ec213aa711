-- migrate:up

-- Who may change what over HTTP, who changed what, and a ledger that also knows days and pages.

alter table sites add column language text not null default '' check (language ~ '^([a-z]{2})?$');
comment on column sites.language is
    'Language of the embedded block, the badge and the statistics page where none is asked for; empty lets us choose.';

create table api_tokens (
    id integer generated always as identity primary key,
    name text not null check (name ~ '^[^[:cntrl:]]{1,80}$'),
    scope text not null check (scope in ('read', 'site', 'all')),
    site_id integer references sites on delete cascade,
    digest bytea not null unique check (octet_length(digest) = 32),
    created_at timestamptz not null default now(),
    last_used_on date,
    revoked_at timestamptz,
    check ((scope = 'site') = (site_id is not null))
);
create unique index api_tokens_in_use on api_tokens (name) where revoked_at is null;
comment on table api_tokens is 'Bearer tokens of the administration over HTTP.';
comment on column api_tokens.digest is 'SHA-256 of the token, which is 256 random bits; the token itself is kept nowhere.';
comment on column api_tokens.last_used_on is 'A day in UTC, so that nobody can tell when somebody worked.';

create table audit_log (
    id bigint generated always as identity primary key,
    at timestamptz not null default now(),
    actor text not null,
    action text not null,
    site text,
    before jsonb,
    after jsonb
);
create index audit_log_of_site on audit_log (site, id);
comment on table audit_log is
    'Every change of sites, tokens and the ledger, whoever made it and by which way; written by triggers, so nothing '
    'goes around it. It names a site by its key, and stays when the site is removed.';
comment on column audit_log.actor is
    'The person at the command line, token NAME for HTTP, role NAME for who came to the database by another way.';

create function refuse_rewriting() returns trigger language plpgsql as $$
begin
    raise exception 'the audit log is only ever added to';
end $$;
create trigger audit_log_is_final before update or delete or truncate on audit_log
    for each statement execute function refuse_rewriting();

-- With the rights of the owner: the service may read the log, and adds to it by what it does alone.
create function note_change(action text, site text, before jsonb, after jsonb) returns void
language sql security definer set search_path = public, pg_temp as $$
    insert into audit_log (actor, action, site, before, after)
    values (
        coalesce(nullif(current_setting('counter.actor', true), ''), 'role ' || session_user),
        action, site, before, after
    )
$$;
revoke execute on function note_change from public;

create function note_site() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    unsaid constant text[] := array['secret', 'id', 'created_at', 'changed_at'];
    before jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) - unsaid end;
    after jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) - unsaid end;
begin
    if before is distinct from after then
        perform note_change(
            case
                when tg_op = 'INSERT' then 'site.add'
                when tg_op = 'DELETE' then 'site.remove'
                when old.enabled and not new.enabled then 'site.disable'
                when new.enabled and not old.enabled then 'site.enable'
                else 'site.change'
            end,
            case when tg_op = 'DELETE' then old.key else new.key end, before, after
        );
    end if;
    return null;
end $$;
create trigger sites_are_audited after insert or update or delete on sites
    for each row execute function note_site();

create function note_token() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if tg_op = 'INSERT' or (new.revoked_at is not null and old.revoked_at is null) then
        perform note_change(
            case when tg_op = 'INSERT' then 'token.add' else 'token.revoke' end,
            (select key from sites where id = new.site_id),
            case when tg_op = 'UPDATE' then jsonb_build_object('name', old.name, 'scope', old.scope) end,
            case when tg_op = 'INSERT' then jsonb_build_object('name', new.name, 'scope', new.scope) end
        );
    end if;
    return null;
end $$;
create trigger api_tokens_are_audited after insert or update on api_tokens
    for each row execute function note_token();

-- A removed site may come again under its key, but not before Redis has nothing of the old one.
create table removed_sites (
    key text primary key,
    removed_at timestamptz not null default now()
);
comment on table removed_sites is 'Sites that Postgres has no longer, and Redis may still have.';

create function remember_removal() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    insert into removed_sites (key) values (old.key) on conflict (key) do update set removed_at = now();
    return null;
end $$;
create trigger sites_removed after delete on sites for each row execute function remember_removal();

alter table adjustments
    add column day date,
    add column page text check (page <> ''),
    add column reverses bigint unique references adjustments,
    add column source text,
    add constraint adjustments_of_pages_are_views check (page is null or metric = 'views');
create index adjustments_of_page on adjustments (site_id, page) where page is not null;
create index adjustments_of_day on adjustments (site_id, day) where day is not null;
create index adjustments_of_source on adjustments (site_id, source) where source is not null;
comment on column adjustments.day is
    'The day of the site to which the amount belongs; none for an opening balance, which is in no day.';
comment on column adjustments.page is
    'The page whose views are adjusted. The totals of the site do not have this amount: its opening balance has it.';
comment on column adjustments.reverses is 'The row that this one takes back; each can be taken back once.';
comment on column adjustments.source is 'SHA-256 of the list from which the row comes.';

create function note_adjustments() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    perform note_change('ledger.add', sites.key, null, added.summary)
    from (
        select
            site_id,
            jsonb_build_object(
                'rows', count(*), 'first_id', min(id), 'last_id', max(id), 'amount', sum(amount),
                'metrics', jsonb_agg(distinct metric), 'reason', min(reason), 'author', min(author)
            ) as summary
        from added_rows
        group by site_id
    ) as added
    join sites on sites.id = added.site_id;
    return null;
end $$;
create trigger adjustments_are_audited after insert on adjustments referencing new table as added_rows
    for each statement execute function note_adjustments();

create or replace view site_totals as
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
    from adjustments where site_id = s.id and page is null
) as j on true;

-- migrate:down
drop trigger adjustments_are_audited on adjustments;
alter table adjustments disable trigger adjustments_are_final;
delete from adjustments where page is not null;
alter table adjustments enable trigger adjustments_are_final;
create or replace view site_totals as
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
alter table adjustments drop column day, drop column page, drop column reverses, drop column source;
drop trigger sites_are_audited on sites;
drop trigger sites_removed on sites;
drop table api_tokens, audit_log, removed_sites;
drop function note_site, note_token, note_adjustments, note_change, remember_removal, refuse_rewriting;
alter table sites drop column language;
