"""`counter doctor` on real systems, well and deliberately wrong."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from counter.clock import Clock, system_clock
from counter.config import Settings
from counter.database import connected
from counter.doctor.doctor import Doctor
from counter.doctor.findings import Advice, Diagnosis, Verdict
from counter.wiring.hot import open_buckets
from tests.acceptance.collector import collecting
from tests.acceptance.conftest import Running, SetClock, running
from tests.acceptance.instance import PATIENCE_SECONDS, Instance, launcher_of
from tests.rights import with_least_rights


@dataclass
class Deployment:
    """A running service, and who looks at it with the rights of the service."""

    service: Running
    settings: Settings
    redis: Redis

    async def look(self, clock: Clock = system_clock, **changes: Any) -> Diagnosis:
        settings = self.settings.model_copy(update=changes)
        connect = partial(connected, settings.database_url.get_secret_value())
        async with open_buckets(settings, clock) as buckets:
            return await Doctor(settings, buckets.store, buckets.audit, connect, clock).look()

    async def finds(self, finding: str, *texts: str, clock: Clock = system_clock, **changes: Any) -> None:
        """The doctor finds this to be fixed, with these texts, and says what to do."""
        diagnosis = await self.look(clock, **changes)
        found = {each.finding: each for each in diagnosis.findings if each.verdict is Verdict.FIX}
        assert finding in found, diagnosis
        assert all(text in f"{found[finding].detail} {found[finding].todo}" for text in texts), found[finding]
        assert found[finding].todo
        assert diagnosis.exit_code == 1


TESTS_ONLY = "postgres_fsync"
"""The Postgres of the tests runs without fsync, which the doctor always tells."""


def to_fix(diagnosis: Diagnosis) -> set[str]:
    return {each.finding for each in diagnosis.findings if each.verdict is Verdict.FIX}


@pytest.fixture
async def deployment(settings: Settings) -> AsyncIterator[Deployment]:
    async with (
        running(settings, SetClock(system_clock())) as service,
        Redis.from_url(settings.redis_url.get_secret_value()) as redis,
    ):
        await service.add_site()
        ports = {"port": urlsplit(service.public).port, "admin_port": urlsplit(service.admin).port}
        usual = {"public_url": "https://counter.example", "connections": 100, **ports}
        yield Deployment(service, with_least_rights(settings).model_copy(update=usual), redis)


async def test_healthy_deployment_needs_nothing(deployment: Deployment) -> None:
    """With the least rights all is seen, and there is nothing to fix but what the tests' own Postgres lacks."""
    diagnosis = await deployment.look()
    assert to_fix(diagnosis) == {TESTS_ONLY}
    assert not [each for each in diagnosis.findings if each.verdict is Verdict.UNKNOWN]
    names = [each.finding for each in diagnosis.findings]
    assert {"redis_version", "clock_postgres", "migrations", "proxies", "spool", "public_listener"} <= set(
        names
    )
    assert {"traces", "limits"} <= set(names)
    assert len(names) == len(set(names))


async def test_redis_that_loses_counts(deployment: Deployment) -> None:
    """Another policy than noeviction and no append-only file are told, each with the command that mends it."""
    for key, wrong, finding, right in (
        ("maxmemory-policy", "allkeys-lru", "eviction", "noeviction"),
        ("appendonly", "no", "persistence", "yes"),
    ):
        await deployment.redis.config_set(key, wrong)
        try:
            await deployment.finds(finding, f"CONFIG SET {key} {right}")
        finally:
            await deployment.redis.config_set(key, right)
    assert to_fix(await deployment.look()) == {TESTS_ONLY}


async def test_clock_that_is_off(deployment: Deployment) -> None:
    """A host whose clock is an hour ahead of both stores is told of each."""

    def ahead() -> int:
        return system_clock() + 3_600_000

    await deployment.finds("clock_redis", "3,600 s behind ours", "time servers", clock=ahead)
    await deployment.finds("clock_postgres", "3,600 s behind ours", clock=ahead)


async def test_proxy_that_is_not_trusted(deployment: Deployment) -> None:
    """A proxy that the service has seen and does not trust is told, with the setting that mends it."""
    await deployment.service.hit(X_Forwarded_For="203.0.113.7")
    await deployment.finds("proxies", "1 beacons", "COUNTER_TRUSTED_PROXIES")


async def test_service_that_does_not_run(deployment: Deployment) -> None:
    """Nobody at the port of the admin listener is told, and so is nobody at the visitors' port."""
    await deployment.finds("service", "nobody answers", "counter serve", admin_port=1)
    await deployment.finds("public_listener", "nobody answers", "COUNTER_PORT", port=1)


async def test_metrics_on_the_public_port(deployment: Deployment) -> None:
    """A port of the visitors that shows the metrics is told."""
    await deployment.finds("public_listener", "answers 200 to /metrics", port=deployment.settings.admin_port)


async def test_old_schema(deployment: Deployment) -> None:
    """A database that lacks a migration is told."""
    async with connected(deployment.service.settings.database_url.get_secret_value()) as connection:
        await connection.execute("delete from schema_migrations where version = '0009'")
    await deployment.finds("migrations", "lacks 0009", "counter migrate")


async def test_finds_another_number_of_lanes(deployment: Deployment) -> None:
    """Lanes that are not those of the service, and a change that was cut off."""
    await deployment.finds("lanes", "COUNTER_LANES is 6 here, but the counts are in 1 lane", "1", lanes=6)
    async with connected(deployment.settings.database_url.get_secret_value()) as connection:
        await connection.execute("update lanes set moved = false")
    await deployment.finds("lanes", "is not complete", "start the service")


async def test_stores_that_are_away(deployment: Deployment) -> None:
    """Without Redis, or Postgres, the rest is looked at, and the exit code is 2 if nothing else is wrong."""
    nobody = {"redis_url": "redis://127.0.0.1:1/0", "database_url": "postgresql://127.0.0.1:1/x"}
    for name, url in nobody.items():
        diagnosis = await deployment.look(**{name: SecretStr(url)})
        unknown = [each.finding for each in diagnosis.findings if each.verdict is Verdict.UNKNOWN]
        assert unknown == ["redis" if name == "redis_url" else "postgres"]
        assert diagnosis.exit_code == (1 if TESTS_ONLY in to_fix(diagnosis) else 2)


async def test_command(deployment: Deployment) -> None:
    """It prints a table that ends with a sentence, or one JSON object; the exit code says the same."""
    code, said = await _run(deployment.settings)
    assert code == 1, said
    assert "what to do" in said
    assert "set fsync = on" in said
    assert said.splitlines()[-1].startswith("22 things looked at: 1 to fix, 1 to consider, ")
    assert "hunter2" not in said
    code, said = await _run(deployment.settings, "--json", COUNTER_ADMIN_PORT="1")
    found = json.loads(said)
    assert (code, found["exit_code"], found["verdict"]) == (1, 1, "fix")
    assert {each["finding"] for each in found["findings"] if each["verdict"] == "fix"} == {
        "service",
        TESTS_ONLY,
    }


async def _run(settings: Settings, *words: str, **variables: str) -> tuple[int, str]:
    environment = {
        **os.environ,
        "COUNTER_REDIS_URL": settings.redis_url.get_secret_value(),
        "COUNTER_DATABASE_URL": settings.database_url.get_secret_value(),
        "COUNTER_SPOOL_DIR": str(settings.spool_dir),
        "COUNTER_PORT": str(settings.port),
        "COUNTER_ADMIN_PORT": str(settings.admin_port),
        "COUNTER_CONNECTIONS": "100",
        "COLUMNS": "300",
        **variables,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "counter", "doctor", *words, env=environment, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


async def test_traces_that_arrive_nowhere_are_told(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A collector that answers is well; one that does not, and a variable that we cannot heed, are told."""

    async def traces() -> Advice:
        (found,) = [each for each in (await deployment.look()).findings if each.finding == "traces"]
        return found

    assert (await traces()).verdict is Verdict.GOOD
    async with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        assert (await traces()).verdict is Verdict.GOOD
        assert collector.bodies == [b""]
    found = await traces()
    assert (found.verdict, "does not take traces" in found.detail) == (Verdict.CONSIDER, True)
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "zipkin")
    found = await traces()
    assert (found.verdict, "names zipkin" in found.detail) == (Verdict.CONSIDER, True)


async def test_workers_that_were_replaced_are_told(settings: Settings, tmp_path: Path) -> None:
    """Of several workers it is said whether all answer, and that some had to be replaced."""

    async def workers(instance: Instance) -> Advice:
        ports = {"port": instance.port, "admin_port": urlsplit(instance.admin).port}
        deployment = Deployment(None, settings, None)  # type: ignore[arg-type]
        (found,) = [each for each in (await deployment.look(**ports)).findings if each.finding == "workers"]
        return found

    async with launcher_of(settings, tmp_path) as launcher:
        instance = await launcher.start(COUNTER_WORKERS="2")
        assert (await workers(instance)).verdict is Verdict.GOOD
        psutil.Process(instance.process.pid).children()[0].kill()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (found := await workers(instance)).verdict is not Verdict.CONSIDER:
                pass
        assert "1 ended since the start" in found.detail
        instance.signal()
        assert await instance.ended() == 0
