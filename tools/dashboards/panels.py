"""What the panels of all dashboards have in common: two data sources, and how each kind of panel looks."""

from dataclasses import dataclass
from typing import Any, Final

from grafana_foundation_sdk.builders import common, dashboard, heatmap, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common as looks
from grafana_foundation_sdk.models import dashboard as parts
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

PROMETHEUS: Final = parts.DataSourceRef(type_val="prometheus", uid="counter-prometheus")
POSTGRES: Final = parts.DataSourceRef(type_val="grafana-postgresql-datasource", uid="counter-postgres")
WIDTH: Final = 24


@dataclass
class SqlQuery(Dataquery):
    """A query of Grafana's Postgres data source, for which the SDK has no type."""

    sql: str
    shape: str
    ref_id: str = "A"

    def to_json(self) -> dict[str, object]:
        """Return it as the data source's own editor writes it."""
        return {
            "refId": self.ref_id,
            "datasource": POSTGRES,
            "editorMode": "code",
            "format": self.shape,
            "rawQuery": True,
            "rawSql": self.sql,
        }


class Sql(Builder[Dataquery]):
    """SQL as a target of a panel: `time_series` if it has a column `time`, else `table`."""

    def __init__(self, sql: str, *, shape: str = "time_series", ref_id: str = "A") -> None:
        self._query = SqlQuery(" ".join(sql.split()), shape, ref_id)

    def build(self) -> Dataquery:
        """Return it."""
        return self._query


def prom(expr: str, legend: str = "", ref_id: str = "A", *, instant: bool = False) -> prometheus.Dataquery:
    """Return PromQL as a target of a panel; the legend is a template such as `{{result}}`."""
    query = prometheus.Dataquery().expr(expr).ref_id(ref_id).legend_format(legend or "__auto")
    return query.instant() if instant else query.range()


def number(
    title: str, target: Any, *, unit: str = "locale", red_above: float | None = None, width: int = 4
) -> stat.Panel:
    """Return one large figure; it turns red above a limit, if there is one."""
    steps = [parts.Threshold(value=None, color="green")]
    if red_above is not None:
        steps.append(parts.Threshold(value=red_above, color="red"))
    return (
        stat.Panel()
        .title(title)
        .with_target(target)
        .datasource(_source(target))
        .unit(unit)
        .no_value("–")
        .span(width)
        .height(4)
        .color_mode(looks.BigValueColorMode.VALUE)
        .graph_mode(looks.BigValueGraphMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .thresholds(dashboard.ThresholdsConfig().mode(parts.ThresholdsMode.ABSOLUTE).steps(steps))
    )


def lines(
    title: str, *targets: Any, unit: str = "short", width: int = 12, bars: bool = False, stacked: bool = False
) -> timeseries.Panel:
    """Return figures over time, as lines or as bars."""
    panel = (
        timeseries.Panel()
        .title(title)
        .datasource(_source(targets[0]))
        .unit(unit)
        .min(0)
        .span(width)
        .height(8)
        .show_points(looks.VisibilityMode.NEVER)
        .fill_opacity(60 if bars else 10)
        .legend(
            common.VizLegendOptions()
            .show_legend(show_legend=True)
            .display_mode(looks.LegendDisplayMode.LIST)
            .placement(looks.LegendPlacement.BOTTOM)
        )
        .tooltip(common.VizTooltipOptions().mode(looks.TooltipDisplayMode.MULTI))
    )
    if bars:
        panel = panel.draw_style(looks.GraphDrawStyle.BARS)
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(looks.StackingMode.NORMAL))
    for target in targets:
        panel = panel.with_target(target)
    return panel


def heat(title: str, expr: str, *, unit: str, width: int = 12) -> heatmap.Panel:
    """Return the buckets of a histogram over time."""
    target = prom(expr, "{{le}}").format(PromQueryFormat.HEATMAP)
    return (
        heatmap.Panel()
        .title(title)
        .datasource(PROMETHEUS)
        .with_target(target)
        .span(width)
        .height(8)
        .y_axis(heatmap.YAxisConfig().unit(unit))
        .color(heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Oranges").steps(64))
    )


def rows(title: str, sql: str, *, width: int = 12, sort: str = "") -> table.Panel:
    """Return what a query answers, as a table."""
    panel = (
        table.Panel()
        .title(title)
        .datasource(POSTGRES)
        .with_target(Sql(sql, shape="table"))
        .unit("locale")
        .span(width)
        .height(10)
        .filterable(filterable=True)
    )
    return (
        panel.sort_by([common.TableSortByFieldState().display_name(sort).desc(desc=True)]) if sort else panel
    )


def board(uid: str, title: str, description: str, since: str, refresh: str) -> dashboard.Dashboard:
    """Return an empty dashboard that links to the others."""
    link = dashboard.DashboardLink("Counter").type(parts.DashboardLinkType.DASHBOARDS).tags(["counter"])
    return (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags(["counter"])
        .timezone("browser")
        .readonly()
        .time(since, "now")
        .refresh(refresh)
        .tooltip(parts.DashboardCursorSync.CROSSHAIR)
        .link(link.as_dropdown(as_dropdown=False).keep_time(keep_time=True))
    )


def _source(target: Any) -> parts.DataSourceRef:
    return POSTGRES if isinstance(target, Sql) else PROMETHEUS
