"""Portal overview: what a site's public block shows, how it came about, and how it compares."""

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import dashboard as parts

from tools.dashboards.panels import POSTGRES, Sql, board, lines, number, prom, rows

ONLINE = 'max(counter_site_online_visitors{site="$site"})'


def _shown(column: str) -> Sql:
    return Sql(
        f"select {column} from reading.numbers where site = '$site' and metric = '$metric'", shape="table"
    )


def _variables(made: builders.Dashboard) -> builders.Dashboard:
    metrics = ("visits", "views", "visitors")
    options = [parts.VariableOption(text=each, value=each, selected=each == metrics[0]) for each in metrics]
    return made.with_variable(
        builders.QueryVariable("site")
        .label("Site")
        .datasource(POSTGRES)
        .query("select site from reading.sites where enabled order by site")
        .refresh(parts.VariableRefresh.ON_DASHBOARD_LOAD)
    ).with_variable(
        builders.CustomVariable("metric")
        .label("Metric")
        .values(",".join(metrics))
        .options(options)
        .current(options[0])
    )


def _days() -> list[object]:
    """Return the panels of whole days."""
    return [
        lines(
            "Each day",
            Sql(
                """select begins_at as time, $metric as "$metric" from reading.days
                where site = '$site' and $__timeFilter(begins_at) order by 1"""
            ),
            bars=True,
        ),
        lines(
            "Each day, and the same weekday a week before",
            Sql(
                """select begins_at as time, $metric as "this week" from reading.days
                where site = '$site' and $__timeFilter(begins_at) order by 1"""
            ),
            Sql(
                """select begins_at + interval '7 days' as time, $metric as "a week before" from reading.days
                where site = '$site' and $__timeFilter(begins_at + interval '7 days') order by 1""",
                ref_id="B",
            ),
        ),
        lines(
            "Views of each hour, the last two days and the same hours a week before",
            Sql(
                """select begins_at as time, views as "views" from reading.hours
                where site = '$site' and begins_at between now() - interval '2 days' and now() order by 1"""
            ),
            Sql(
                """select begins_at + interval '7 days' as time, views as "a week before" from reading.hours
                where site = '$site'
                    and begins_at between now() - interval '9 days' and now() - interval '7 days'
                order by 1""",
                ref_id="B",
            ),
        ).time_from("2d"),
        lines(
            "Views by humans and by bots",
            Sql(
                """select begins_at as time, views as "humans", bots as "bots" from reading.days
                where site = '$site' and $__timeFilter(begins_at) order by 1"""
            ),
            bars=True,
            stacked=True,
        ),
    ]


def _compared(title: str, days: int) -> Sql:
    """Return the change of the last full days against as many before them, as a share."""
    return Sql(
        f"""select sum($metric) filter (where day >= today - {days})::float8
            / nullif(sum($metric) filter (where day < today - {days}), 0) - 1 as "{title}"
        from reading.days join reading.sites using (site)
        where site = '$site' and day < today and day >= today - {2 * days}""",
        shape="table",
    )


def _numbers() -> list[object]:
    """Return the five numbers, and how they moved."""
    return [
        number("Online now", prom(ONLINE, instant=True)),
        *(number(title, _shown(title.lower())) for title in ("Today", "Week", "Month", "Total")),
        number("Last 7 days against the 7 before", _compared("change", 7), unit="percentunit"),
        lines("Online", prom(ONLINE, "online"), width=24).description(
            "Only the busiest sites have a series, and those that COUNTER_SERIES_SITES names."
        ),
    ]


def dashboard() -> builders.Dashboard:
    """Return the dashboard."""
    made = _variables(
        board(
            "counter-portal",
            "Counter: portal overview",
            "One site, as its visitors see it.",
            "now-30d",
            "30s",
        )
    )
    for panel in (*_numbers(), *_days()):
        made = made.with_panel(panel)
    return made.with_panel(
        rows(
            "Top pages",
            """select path as "page", sum(views)::bigint as "views" from reading.page_days
            where site = '$site' and day between $__timeFrom()::date and $__timeTo()::date
            group by 1 order by 2 desc, 1 limit 50""",
        )
    ).with_panel(
        rows(
            "Opening balances and corrections",
            """select created_at as "at", metric, amount, reason from reading.corrections
            where site = '$site' order by created_at desc limit 50""",
        )
    )
