-- Returns rows that hold what none may: more visits than views, less than nothing, hours that are not the day.
-- The hours are added one by one, as that takes a tenth of the time that their unnesting does.
-- $1 site ids, $2 how many rows at most
select
    sites.key as site, day, generation, part, lane, views, visits, visitors, bots, hour_views, hour_visits
from aggregates
join sites on sites.id = aggregates.site_id
where site_id = any($1::integer[])
    and (
        visits > views
        or least(views, visits, visitors, bots) < 0
        or 0 > any (hour_views)
        or 0 > any (hour_visits)
        or hour_views is not null and views is distinct from (
            hour_views[1] + hour_views[2] + hour_views[3] + hour_views[4] + hour_views[5] + hour_views[6]
            + hour_views[7] + hour_views[8] + hour_views[9] + hour_views[10] + hour_views[11] + hour_views[12]
            + hour_views[13] + hour_views[14] + hour_views[15] + hour_views[16] + hour_views[17] + hour_views[18]
            + hour_views[19] + hour_views[20] + hour_views[21] + hour_views[22] + hour_views[23] + hour_views[24]
        )
        or hour_visits is not null and visits is distinct from (
            hour_visits[1] + hour_visits[2] + hour_visits[3] + hour_visits[4] + hour_visits[5] + hour_visits[6]
            + hour_visits[7] + hour_visits[8] + hour_visits[9] + hour_visits[10] + hour_visits[11] + hour_visits[12]
            + hour_visits[13] + hour_visits[14] + hour_visits[15] + hour_visits[16] + hour_visits[17] + hour_visits[18]
            + hour_visits[19] + hour_visits[20] + hour_visits[21] + hour_visits[22] + hour_visits[23] + hour_visits[24]
        )
    )
order by site, day, generation, part, lane
limit $2
