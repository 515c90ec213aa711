-- migrate:up

-- What dashboards and reports may read, and nothing else: no key that signs, no address, no sketch. Whoever reads
-- here needs no right on the tables themselves; deploy/postgres-roles.sql makes the role counter_reader for it.

do $$
begin
    if to_regnamespace('reading') is null then
        create schema reading;
    end if;
end $$;
comment on schema reading is 'Views for dashboards: open to counter_reader, which sees nothing else.';

create view reading.sites as
select
    key as site,
    case name when '' then key else name end as name,
    enabled,
    time_zone,
    metric,
    public_stats,
    (now() at time zone time_zone)::date as today,
    created_at
from public.sites;
comment on view reading.sites is 'What is counted. today is the current day in the time zone of the site.';

create view reading.days as
select
    sites.key as site,
    told.day,
    told.day::timestamp at time zone sites.time_zone as begins_at,
    sum(told.views)::bigint as views,
    sum(told.visits)::bigint as visits,
    sum(told.visitors)::bigint as visitors,
    sum(told.bots)::bigint as bots
from public.sites
join (
    select site_id, day, views, visits, visitors, bots from public.aggregates
    union all
    select
        site_id,
        day,
        case metric when 'views' then amount else 0 end,
        case metric when 'visits' then amount else 0 end,
        case metric when 'visitors' then amount else 0 end,
        0
    from public.adjustments
    where day is not null and page is null
) as told on told.site_id = sites.id
group by sites.key, sites.time_zone, told.day;
comment on view reading.days is 'The figures of each local day, ten seconds behind; bots are in no other figure.';

create view reading.hours as
select
    sites.key as site,
    (aggregates.day + make_interval(hours => hour.number::integer - 1)) at time zone sites.time_zone as begins_at,
    sum(hour.views)::bigint as views,
    sum(hour.visits)::bigint as visits
from public.aggregates
join public.sites on sites.id = aggregates.site_id
cross join lateral unnest(aggregates.hour_views, aggregates.hour_visits)
    with ordinality as hour (views, visits, number)
group by sites.key, sites.time_zone, aggregates.day, hour.number;
comment on view reading.hours is 'The figures of each local hour.';

create view reading.page_days as
select sites.key as site, pages.path, page_aggregates.day, sum(page_aggregates.views)::bigint as views
from public.page_aggregates
join public.pages on pages.id = page_aggregates.page_id
join public.sites on sites.id = pages.site_id
group by sites.key, pages.path, page_aggregates.day;
comment on view reading.page_days is 'The views of each page on each local day.';

create view reading.corrections as
select
    sites.key as site,
    adjustments.metric,
    adjustments.day,
    adjustments.page,
    adjustments.amount,
    adjustments.reason,
    adjustments.created_at
from public.adjustments
join public.sites on sites.id = adjustments.site_id;
comment on view reading.corrections is 'The ledger without the names of its authors.';

create view reading.numbers as
select
    sites.key as site,
    shown.metric,
    coalesce(sum(counted.amount) filter (where counted.day = shown.today), 0)::bigint as today,
    coalesce(sum(counted.amount) filter (where counted.day = shown.today - 1), 0)::bigint as yesterday,
    coalesce(sum(counted.amount) filter (where counted.day between shown.week and shown.today), 0)::bigint as week,
    coalesce(sum(counted.amount) filter (where counted.day between shown.month and shown.today), 0)::bigint
        as month,
    (
        coalesce(sum(counted.amount), 0) + coalesce((
            select sum(adjustments.amount) from public.adjustments
            where adjustments.site_id = sites.id and adjustments.metric = shown.metric
                and adjustments.day is null and adjustments.page is null
        ), 0) + coalesce((
            select sum(
                case shown.metric when 'visits' then visits when 'views' then views else visitors end
            ) from public.carried where carried.site_id = sites.id
        ), 0)
    )::bigint as total
from public.sites
cross join lateral (select (now() at time zone sites.time_zone)::date as today) as here
cross join lateral (
    select
        metric,
        here.today,
        here.today - (extract(isodow from here.today)::integer - sites.first_weekday + 7) % 7 as week,
        date_trunc('month', here.today)::date as month
    from (values ('visits'), ('views'), ('visitors')) as each (metric)
) as shown
left join lateral (
    select
        day,
        case shown.metric when 'visits' then visits when 'views' then views else visitors end as amount
    from public.aggregates where site_id = sites.id
    union all
    select day, adjustments.amount from public.adjustments
    where site_id = sites.id and adjustments.metric = shown.metric and day is not null and page is null
) as counted on true
group by sites.id, sites.key, shown.metric;
comment on view reading.numbers is 'What the widget shows of a metric once the last ten seconds are rolled up.';

-- migrate:down
-- The schema stays, with what deploy/postgres-roles.sql lets counter_reader do in it.
drop view reading.numbers, reading.corrections, reading.page_days, reading.hours, reading.days, reading.sites;
comment on schema reading is null;
