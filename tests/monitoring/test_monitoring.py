"""Every panel, rule and name, on a real Prometheus and a real database that a service under load has filled."""

import asyncio
import dataclasses
import os
import re
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import yaml
from redis.asyncio import Redis

from counter.aggregates.adjustments import Ledger
from counter.aggregates.store import AggregateStore, Row, RowKey
from counter.clock import system_clock
from counter.config import Settings
from counter.database import connected
from counter.embedded.valkey import Valkey
from counter.sites.model import Site, SiteSettings
from counter.sites.store import SiteStore
from tests.acceptance.collector import Collector, collecting
from tests.acceptance.conftest import PERSON, Running, running
from tests.acceptance.instance import Instance, launcher_of
from tests.monitoring.grafana import expanded_promql, expanded_sql, targets
from tests.monitoring.server import PATIENCE_SECONDS, Prometheus, program, prometheus
from tests.rights import READER, database_url_of, with_least_rights

NAME = re.compile(r"\bcounter[_:][a-z0-9_:]+")


async def test_panels_rules_and_names(settings: Settings, valkey: Valkey, here: Path, tmp_path: Path) -> None:
    """Each panel's and each rule's metrics are scraped, each panel shows something, and promtool has no complaint."""
    settings = settings.model_copy(update={"rollup_seconds": 0.5})
    await _give_a_past(settings)
    async with (
        running(settings, system_clock) as service,  # type: ignore[arg-type]
        _audit(with_least_rights(settings)) as audit,
        Redis.from_url(settings.redis_url.get_secret_value()) as redis,
        collecting() as collector,
        _team(settings, collector, tmp_path) as team,
        prometheus(
            here, tmp_path, {"counter": [service.admin, team.admin], "counter-audit": [audit]}
        ) as scraped,
    ):
        await redis.config_set("maxmemory", 1 << 32)
        await _load(service, valkey, redis)
        await _lint(service, here)
        async with _going_on(service, team):
            await _every_panel_has_data(scraped, here)
            await _slow_times_lead_to_their_traces(scraped, collector)
        assert await _names_that_are_missing(scraped, here) == set()
        await _every_query_answers(settings, here)
        await _audit_is_clean(scraped)
        await _every_rule_is_well(scraped)
        await redis.config_set("maxmemory", 0)


async def _load(service: Running, valkey: Valkey, redis: Redis) -> None:
    """People and bots come, Redis is away for a moment, and they come again; until all of it is counted."""
    for number in range(40):
        agent = PERSON.replace("130", str(number % 20 + 100))
        await service.hit(f"/{number % 5}", User_Agent=agent)
    await service.hit(User_Agent="Googlebot/2.1")
    await service.widget()
    valkey.kill()
    await valkey.ended()
    for number in range(3):
        assert (await service.hit(f"/{number}")).status == 202
    await valkey.start()
    while await service.metric("counter_replayed_hits_total") < 3:
        pass
    await redis.config_set("maxmemory", 1 << 32)
    assert (await service.hit()).status == 200


@asynccontextmanager
async def _going_on(service: Running, team: Instance) -> AsyncIterator[None]:
    """Let one visitor after the other come while the block runs, and a widget be asked each time."""
    by_team = dataclasses.replace(service, public=team.public, admin=team.admin)

    async def come() -> None:
        for number in range(1_000_000):
            for each in (service, by_team):
                agent = PERSON.replace("130", str(number % 50 + 100))
                assert (await each.hit(User_Agent=agent)).status == 200
                await each.widget()
            await asyncio.sleep(0.05)

    coming = asyncio.create_task(come())
    try:
        yield
    finally:
        coming.cancel()
        await asyncio.wait([coming])
    assert coming.cancelled()


@asynccontextmanager
async def _team(settings: Settings, collector: Collector, folder: Path) -> AsyncIterator[Instance]:
    """Run two workers that are followed, on the same stores and with a spool of their own."""
    home = folder / "team"
    home.mkdir()
    async with launcher_of(settings.model_copy(update={"spool_dir": home / "spool"}), home) as launcher:
        yield await launcher.start(
            COUNTER_WORKERS="2", OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_BSP_SCHEDULE_DELAY="50"
        )


async def _slow_times_lead_to_their_traces(scraped: Prometheus, collector: Collector) -> None:
    """Wait until Prometheus has exemplars of each latency, and the collector the traces that they name."""
    for metric in ("counter_request_seconds", "counter_batch_seconds"):
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (traces := await scraped.traces_of(metric)):
                await asyncio.sleep(0.2)
        await collector.until(lambda: traces <= {span.trace_id for span in collector.spans})


async def _lint(service: Running, here: Path) -> None:
    """The names and types keep to Prometheus' conventions."""
    async with service.session.get(service.admin + "/metrics") as response:
        text = await response.read()
    process = await asyncio.create_subprocess_exec(
        program(here, "promtool"), "check", "metrics", stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    said, complained = await process.communicate(text)
    assert (process.returncode, said, complained) == (0, b"", b"")


async def _every_panel_has_data(scraped: Prometheus, here: Path) -> None:
    """Ask all of PromQL again and again until each query has given a number."""
    silent = dict(targets(here, "expr"))
    assert len(silent) > 40
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while silent:
                for panel, expr in list(silent.items()):
                    if await scraped.has(expanded_promql(expr)):
                        del silent[panel]
                await asyncio.sleep(0.5)
    except TimeoutError:
        raise AssertionError(silent) from None


async def _names_that_are_missing(scraped: Prometheus, here: Path) -> set[str]:
    """Return the metrics of rules and panels that Prometheus does not have."""
    known = set(await scraped.ask("label/__name__/values"))
    texts = [query for _panel, query in targets(here, "expr")]
    for file in ("recording.yml", "alerts.yml"):
        groups = yaml.safe_load((here / "deploy" / "prometheus" / file).read_text(encoding="utf-8"))["groups"]
        texts += [rule["expr"] for group in groups for rule in group["rules"]]
    used = {name for text in texts for name in NAME.findall(text)}
    assert len(used) > 30
    return used - known


async def _audit_is_clean(scraped: Prometheus) -> None:
    """Wait for an audit that saw everything, with the rights of the service, and found nothing."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await scraped.has("max(counter_check_unseen) + max(counter_check_problems) == 0"):
            await asyncio.sleep(0.5)


async def _every_rule_is_well(scraped: Prometheus) -> None:
    groups = (await scraped.ask("rules"))["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) > 25
    assert {rule["name"]: rule.get("lastError") for rule in rules if rule["health"] == "err"} == {}


async def _every_query_answers(settings: Settings, here: Path) -> None:
    """Ask all of SQL as the reader, until each has given a row with a figure."""
    now = datetime.now(UTC)
    connection = await asyncpg.connect(database_url_of(READER, settings.database_url.get_secret_value()))
    silent = dict(targets(here, "rawSql"))
    assert len(silent) > 12
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while silent:
                for panel, sql in list(silent.items()):
                    query = expanded_sql(sql, now - timedelta(days=30), now + timedelta(hours=1))
                    rows = await connection.fetch(query)
                    if any(value is not None for row in rows for value in row):
                        del silent[panel]
    except TimeoutError:
        raise AssertionError(silent) from None
    finally:
        await connection.close()


async def _give_a_past(settings: Settings) -> None:
    """Four weeks of three sites: one as ever, one with ten times its views today, one that fell silent today."""
    today = datetime.now(UTC).date()
    async with connected(settings.database_url.get_secret_value()) as connection:
        sites = {
            key: await SiteStore(connection).add(key, SiteSettings(time_zone="Etc/UTC"))
            for key in ("portal", "loud", "silent")
        }
        rows = [_row(site, today - timedelta(days), 30) for site in sites.values() for days in range(2, 32)]
        rows += [_row(sites["loud"], today - timedelta(days), 300) for days in (0, 1)]
        rows.append(_row(sites["portal"], today - timedelta(1), 30))
        await AggregateStore(connection).write(rows)
        await Ledger(connection).add(sites["portal"].id, {"visits": 1000, "views": 5000}, "before", "a test")


def _row(site: Site, day: object, views: int) -> Row:
    key = RowKey(site.id, day, "earlier", 1, "0")  # type: ignore[arg-type]
    hours = [views] * 24
    return Row(key, 24 * views, 24 * views, 24 * views, views, hours, hours, b"", 1, {}, {})


@asynccontextmanager
async def _audit(settings: Settings) -> AsyncIterator[str]:
    """Run `counter audit`, and yield its address."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "counter", "audit", "--every", "2", "--port", "0",
        env={**os.environ, **_environment(settings)}, stdout=PIPE,
    )  # fmt: skip
    assert process.stdout
    try:
        line = (await process.stdout.readline()).decode()
        yield line.removeprefix("metrics").strip().removesuffix("/metrics")
    finally:
        process.terminate()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await process.wait()
    assert process.returncode == 0


def _environment(settings: Settings) -> Mapping[str, str]:
    return {
        "COUNTER_REDIS_URL": settings.redis_url.get_secret_value(),
        "COUNTER_DATABASE_URL": settings.database_url.get_secret_value(),
        "COUNTER_SPOOL_DIR": str(settings.spool_dir),
        "COUNTER_ROLLUP_SECONDS": str(settings.rollup_seconds),
    }
