-- migrate:up

-- How long details are kept. What is removed is carried forward in the same statement, so that no total and no
-- views of a page ever fall.

alter table sites
    add column hours_days integer not null default 90 check (hours_days = 0 or hours_days between 35 and 36600),
    add column page_months integer not null default 25 check (page_months = 0 or page_months between 13 and 1200),
    add column day_months integer not null default 0 check (day_months = 0 or day_months between 3 and 1200);
comment on column sites.hours_days is 'Days that the hours of a day are kept; 0 keeps them for ever.';
comment on column sites.page_months is 'Months that the views of each page on each day are kept; 0 keeps them for ever.';
comment on column sites.day_months is 'Months that the row of a day is kept; 0 keeps it for ever.';

alter table aggregates
    alter column hour_views drop not null,
    alter column hour_visits drop not null,
    add constraint aggregates_hours_together check ((hour_views is null) = (hour_visits is null));
comment on column aggregates.hour_views is 'Views of each local hour, from 0 to 23; null once they are kept no longer.';
create index aggregates_detailed on aggregates (site_id, day) where hour_views is not null;

alter table pages add column carried_views bigint not null default 0 check (carried_views >= 0);
comment on column pages.carried_views is 'Views on days whose rows in page_aggregates are kept no longer.';

create table carried (
    site_id integer not null references sites on delete cascade,
    lane text not null,
    generation text not null,
    views bigint not null default 0,
    visits bigint not null default 0,
    visitors bigint not null default 0,
    bots bigint not null default 0,
    days_through date,
    days_part bigint,
    pages_through date,
    pages_part bigint,
    primary key (site_id, lane, generation)
);
comment on table carried is
    'Sums of the rows of aggregates that are kept no longer. A generation''s rows up to a day and a part were removed; '
    'should an old copy of Redis bring such a bucket back, it is not written again (see aggregates.upsert.sql).';

-- A row is removed if its bucket is closed for good: it was written at least a day ago, and is not open now.
create function fold_old_pages(
    after bigint, most_pages integer, most_rows integer, at timestamptz, open_sites text[], open_days date[],
    out last_page bigint, out removed bigint
) language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    with looked as (
        select
            pages.id, pages.site_id, sites.key,
            (
                (at at time zone sites.time_zone)::date
                - make_interval(months => least(nullif(page_months, 0), nullif(day_months, 0)))
            )::date as first_kept
        from pages join sites on sites.id = pages.site_id
        where pages.id > after
        order by pages.id
        limit most_pages
    ),
    old as (
        select looked.site_id, found.*
        from looked cross join lateral (
            select page_id, day, lane, generation, part
            from page_aggregates
            where page_id = looked.id and day < looked.first_kept
            order by day
            limit most_rows
        ) as found
        join aggregates as kept
            on (kept.site_id, kept.day, kept.generation, kept.part, kept.lane)
                = (looked.site_id, found.day, found.generation, found.part, found.lane)
        where kept.rolled_up_at < now() - interval '1 day'
            and (looked.key, found.day) not in (select * from unnest(open_sites, open_days))
        limit most_rows
    ),
    gone as (
        delete from page_aggregates as kept using old
        where (kept.page_id, kept.day, kept.generation, kept.part, kept.lane)
            = (old.page_id, old.day, old.generation, old.part, old.lane)
        returning old.site_id, kept.page_id, kept.day, kept.lane, kept.generation, kept.part, kept.views
    ),
    added as (
        update pages set carried_views = carried_views + sums.views
        from (select page_id, sum(views)::bigint as views from gone group by page_id) as sums
        where pages.id = sums.page_id
    ),
    noted as (
        insert into carried as known (site_id, lane, generation, pages_through, pages_part)
        select site_id, lane, generation, max(day), max(part) from gone group by site_id, lane, generation
        on conflict (site_id, lane, generation) do update set
            pages_through = greatest(known.pages_through, excluded.pages_through),
            pages_part = greatest(known.pages_part, excluded.pages_part)
    )
    -- Where the limit of rows was met, the same pages are looked at again.
    select
        case when count(*) = most_rows then after else (select max(id) from looked) end, count(*)
    into last_page, removed
    from gone;
end $$;

-- The pages of a day go before its row: only what the sweep of the pages has passed may be removed.
create function fold_old_days(
    most_rows integer, swept timestamptz, at timestamptz, open_sites text[], open_days date[], out removed bigint
) language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    with old as (
        select found.*
        from sites cross join lateral (
            select site_id, day, generation, part, lane
            from aggregates
            where site_id = sites.id
                and day < ((at at time zone sites.time_zone)::date - make_interval(months => day_months))::date
                and rolled_up_at < least(swept, now() - interval '1 day')
                and (sites.key, day) not in (select * from unnest(open_sites, open_days))
            order by day
            limit most_rows
        ) as found
        where day_months > 0 and changed_at < swept
        limit most_rows
    ),
    gone as (
        delete from aggregates as kept using old
        where (kept.site_id, kept.day, kept.generation, kept.part, kept.lane)
            = (old.site_id, old.day, old.generation, old.part, old.lane)
        returning kept.*
    ),
    noted as (
        insert into carried as known (
            site_id, lane, generation, views, visits, visitors, bots, days_through, days_part
        )
        select
            site_id, lane, generation, sum(views), sum(visits), sum(visitors), sum(bots), max(day), max(part)
        from gone
        group by site_id, lane, generation
        on conflict (site_id, lane, generation) do update set
            views = known.views + excluded.views,
            visits = known.visits + excluded.visits,
            visitors = known.visitors + excluded.visitors,
            bots = known.bots + excluded.bots,
            days_through = greatest(known.days_through, excluded.days_through),
            days_part = greatest(known.days_part, excluded.days_part)
    )
    select count(*) into removed from gone;
end $$;

revoke execute on function fold_old_pages, fold_old_days from public;

create or replace view site_totals as
select
    s.key as site,
    coalesce(a.views, 0) + coalesce(c.views, 0) + coalesce(j.views, 0) as views,
    coalesce(a.visits, 0) + coalesce(c.visits, 0) + coalesce(j.visits, 0) as visits,
    coalesce(a.visitors, 0) + coalesce(c.visitors, 0) + coalesce(j.visitors, 0) as visitors,
    (coalesce(a.bots, 0) + coalesce(c.bots, 0))::bigint as bots
from sites as s
left join lateral (
    select sum(views)::bigint as views, sum(visits)::bigint as visits, sum(visitors)::bigint as visitors,
        sum(bots)::bigint as bots
    from aggregates where site_id = s.id
) as a on true
left join lateral (
    select sum(views)::bigint as views, sum(visits)::bigint as visits, sum(visitors)::bigint as visitors,
        sum(bots)::bigint as bots
    from carried where site_id = s.id
) as c on true
left join lateral (
    select
        sum(amount) filter (where metric = 'views')::bigint as views,
        sum(amount) filter (where metric = 'visits')::bigint as visits,
        sum(amount) filter (where metric = 'visitors')::bigint as visitors
    from adjustments where site_id = s.id and page is null
) as j on true;

-- migrate:down
-- What was carried forward stays in the totals and the views of the pages; days without hours get all of it in their
-- first one.
insert into adjustments (site_id, metric, amount, reason, author)
select site_id, metric, sum(amount), 'days that are kept no longer', 'migration 0006'
from carried
cross join lateral (values ('views', views), ('visits', visits), ('visitors', visitors)) as sums (metric, amount)
group by site_id, metric
having sum(amount) <> 0;
insert into adjustments (site_id, metric, page, amount, reason, author)
select site_id, 'views', path, carried_views, 'days that are kept no longer', 'migration 0006'
from pages
where carried_views > 0;
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
drop function fold_old_pages, fold_old_days;
drop table carried;
alter table pages drop column carried_views;
drop index aggregates_detailed;
update aggregates set
    hour_views = array[views] || array_fill(0::bigint, array[23]),
    hour_visits = array[visits] || array_fill(0::bigint, array[23])
where hour_views is null;
alter table aggregates
    drop constraint aggregates_hours_together,
    alter column hour_views set not null,
    alter column hour_visits set not null;
comment on column aggregates.hour_views is 'Views of each local hour, from 0 to 23.';
alter table sites drop column hours_days, drop column page_months, drop column day_months;
