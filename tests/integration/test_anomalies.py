"""Sites that are visited unlike other weeks."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from prometheus_client import CollectorRegistry

from counter.aggregates.store import AggregateStore, Row, RowKey
from counter.database import Connection
from counter.metrics import Metrics
from counter.rollup.anomalies import Anomalies
from counter.sites.model import Site

NOW = datetime(2026, 6, 10, 5, 30, tzinfo=UTC)  # 12:30 in Vietnam, 01:30 in New York
NOW_MS = int(NOW.timestamp() * 1000)


def row(site: Site, day: date, hour: int, views: int) -> Row:
    hours = [views if each == hour else 0 for each in range(24)]
    key = RowKey(site.id, day, "generation", 1, "0")
    return Row(key, views, 0, 0, 0, hours, [0] * 24, b"", 1, {}, {})


class Watch:
    """The series of a process that looks."""

    def __init__(self, connection: Connection, sites: int = 10) -> None:
        self._registry = CollectorRegistry()
        self._connection = connection
        metrics = Metrics(self._registry)
        self.anomalies = Anomalies(metrics.rollup, metrics.silence, sites)

    async def look(self) -> dict[str, float]:
        await self.anomalies.look(self._connection, NOW_MS)
        return self.series()

    def series(self, name: str = "counter_site_hour_ratio") -> dict[str, float]:
        return {
            sample.labels.get("site", ""): sample.value
            for metric in self._registry.collect()
            for sample in metric.samples
            if sample.name == name
        }


async def test_hour_is_held_against_the_same_hour_of_other_weeks(
    connection: Connection, aggregates: AggregateStore, add_site: Callable[..., Any]
) -> None:
    """The ratio is that of local hours, whatever other hours and other weekdays had."""
    here, there = await add_site("here"), await add_site("there", time_zone="America/New_York")
    today = date(2026, 6, 10)
    rows = [row(here, today, 12, 900), row(there, today, 1, 200)]
    for week in range(1, 5):
        rows += [
            row(here, today - timedelta(7 * week), 12, 300),
            row(there, today - timedelta(7 * week), 1, 100),
        ]
        rows += [row(here, today - timedelta(7 * week + 1), 12, 5000)]
    await aggregates.write(rows)
    assert await Watch(connection).look() == {"here": 3.0, "there": 2.0}
    assert await Watch(connection, sites=1).look() == {"here": 3.0}


async def test_quiet_and_new_sites_are_not_unusual(
    connection: Connection, aggregates: AggregateStore, add_site: Callable[..., Any]
) -> None:
    """A few views say nothing, and a site without a past has nothing to be held against."""
    quiet, new = await add_site("quiet"), await add_site("new")
    today = date(2026, 6, 10)
    await aggregates.write(
        [row(quiet, today, 12, 99), row(quiet, today - timedelta(7), 12, 1), row(new, today, 12, 10_000)]
    )
    watch = Watch(connection)
    assert await watch.look() == {}


async def test_process_that_leads_no_longer_shows_nothing(
    connection: Connection, aggregates: AggregateStore, add_site: Callable[..., Any]
) -> None:
    """Only the leader's series count, so the others have none."""
    site = await add_site("site")
    today = date(2026, 6, 10)
    await aggregates.write([row(site, today, 12, 400), row(site, today - timedelta(7), 12, 400)])
    watch = Watch(connection)
    assert await watch.look() == {"site": 4.0}
    watch.anomalies.forget()
    assert watch.series() == {}


async def test_site_that_falls_silent(
    connection: Connection, aggregates: AggregateStore, add_site: Callable[..., Any]
) -> None:
    """A site that always has views in an hour and has none is told, whatever it had in other hours."""
    sites = {name: await add_site(name) for name in ("silent", "busy", "holiday", "new")}
    today = date(2026, 6, 10)
    rows = [row(sites["silent"], today, 10, 50), row(sites["busy"], today, 11, 1)]
    for week in range(1, 5):
        day = today - timedelta(7 * week)
        rows += [row(sites["silent"], day, 11, 20 * week), row(sites["busy"], day, 11, 500)]
        rows += [row(sites["holiday"], day, 11, 500 if week != 3 else 2)]
        rows += [row(sites["new"], day, 11, 500)] if week < 4 else []
    await aggregates.write(rows)
    watch = Watch(connection)
    await watch.look()
    assert watch.series("counter_site_silent_usual_views") == {"silent": 50.0}
    assert watch.series("counter_silent_sites") == {"": 1.0}
    watch.anomalies.forget()
    assert watch.series("counter_site_silent_usual_views") == {}
    assert watch.series("counter_silent_sites") == {"": 0.0}
