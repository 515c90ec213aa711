"""All sites: a table of them, and how each moved."""

from grafana_foundation_sdk.builders import common, table
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import dashboard as parts

from tools.dashboards.panels import POSTGRES, PROMETHEUS, Sql, board, lines, number, prom, rows

SPARKLINES = parts.DataTransformerConfig(id_val="timeSeriesTable", options={})
MOST = 50

TABLE = """
select
    sites.site as "site", sites.name as "name",
    coalesce(sum(views) filter (where day = today), 0)::bigint as "today",
    coalesce(sum(views) filter (where day = today - 1), 0)::bigint as "yesterday",
    coalesce(sum(views) filter (where day between today - 7 and today - 1), 0)::bigint as "last 7 days",
    coalesce(sum(views) filter (where day between today - 14 and today - 8), 0)::bigint as "7 days before",
    coalesce(sum(visits) filter (where day between today - 7 and today - 1), 0)::bigint as "visits, 7 days",
    coalesce(sum(bots) filter (where day between today - 7 and today - 1), 0)::bigint as "bots, 7 days",
    max(day) as "last counted"
from reading.sites
left join reading.days on days.site = sites.site and day >= current_date - 16
where enabled
group by 1, 2
order by 5 desc, 1
"""
TREND = f"""
select begins_at as time, site, views from reading.days
where $__timeFilter(begins_at) and site in (
    select site from reading.days where $__timeFilter(begins_at)
    group by site order by sum(views) desc limit {MOST}
)
order by 1
"""


def _sparklines(title: str, target: object, source: parts.DataSourceRef) -> table.Panel:
    return (
        table.Panel()
        .title(title)
        .datasource(source)
        .with_target(target)
        .with_transformation(SPARKLINES)
        .override_by_regexp(
            "Trend.*", [parts.DynamicConfigValue(id_val="custom.cellOptions", value={"type": "sparkline"})]
        )
        .footer(common.TableFooterOptions().show(show=False).reducer([]))
        .span(12)
        .height(12)
    )


def dashboard() -> builders.Dashboard:
    """Return the dashboard."""
    online = prom("max by (site) (counter_site_online_visitors)", "{{site}}")
    panels = (
        number("Sites", prom("max(counter_sites)")),
        number("Online, all sites", prom("max(counter_online_visitors)")),
        number("Sites without a series", prom("max(counter_sites_without_series)")).description(
            "Sites with visitors online that are left out of the metrics: COUNTER_ONLINE_SERIES is the cap, "
            "COUNTER_SERIES_SITES names those that are never left out."
        ),
        number("Cap of series", prom("max(counter_site_series_limit)")),
        number("Silent sites", prom("max(counter_silent_sites)"), red_above=1),
        number(
            "Views today",
            Sql(
                """select sum(views)::bigint from reading.days
            join reading.sites using (site) where day = today""",
                shape="table",
            ),
        ),
        rows("Views of all sites", TABLE, width=24),
        _sparklines(f"Views of the {MOST} busiest, day by day", Sql(TREND), POSTGRES),
        _sparklines("Online, of the busiest and the named", online, PROMETHEUS),
        lines("Online, all sites", prom("max(counter_online_visitors)", "online")),
        lines(
            "Sites unlike other weeks",
            prom("max by (site) (counter_site_hour_ratio)", "{{site}}: times the usual"),
            prom("max by (site) (counter_site_silent_usual_views)", "{{site}}: views missing", "B"),
            prom("max(counter_silent_sites)", "silent sites", "C"),
        ),
    )
    made = board("counter-sites", "Counter: all sites", "Every site that is counted here.", "now-28d", "1m")
    for panel in panels:
        made = made.with_panel(panel)
    return made
