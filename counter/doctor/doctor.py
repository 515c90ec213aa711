"""Looks at every part of a deployment on its own, so that one that is away hides no other."""

import asyncio
import os
import resource
import shutil
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from aiohttp import ClientError, ClientSession, ClientTimeout

from counter import __version__
from counter.buckets.audit import BucketAudit
from counter.buckets.store import BucketStore
from counter.checks.durable import DurableAudit
from counter.checks.findings import MIGRATIONS, judged
from counter.checks.rules import judge_eviction, judge_memory, judge_migrations, judge_persistence
from counter.clock import Clock
from counter.config import Settings, read_variables
from counter.database import Connection, migration_versions, read_query
from counter.doctor.findings import Advice, Diagnosis, diagnosed, fix, unseen
from counter.doctor.rules import (
    EVERYWHERE,
    Database,
    judge_addresses,
    judge_check,
    judge_clock,
    judge_files,
    judge_lanes,
    judge_listeners,
    judge_postgres,
    judge_proxies,
    judge_public,
    judge_ready,
    judge_redis_version,
    judge_spool,
)
from counter.doctor.running import judge_limits, judge_traces, judge_workers, series_of
from counter.errors import CounterError
from counter.tracing.opening import fault_of_extra
from counter.tracing.wanted import PREFIX, wanted_of

SECONDS: Final = 5.0
"""How long the service may take to answer."""
CONTAINED: Final = (Path("/.dockerenv"), Path("/run/.containerenv"))
LANES_SINCE: Final = "0008"
"""The migration since which Postgres knows the number of lanes."""
MOUNTS: Final = Path("/proc/mounts")
UNTRUSTED: Final = "counter_untrusted_proxy_requests_total"


class Doctor:
    """Looks at a deployment, from a host of the service and with the service's settings.

    Args:
        connect: opens a connection to Postgres.
    """

    def __init__(
        self,
        settings: Settings,
        store: BucketStore,
        audit: BucketAudit,
        connect: Callable[[], AbstractAsyncContextManager[Connection]],
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._store = store
        self._audit = audit
        self._connect = connect
        self._clock = clock

    async def look(self) -> Diagnosis:
        """Return what was found, good and bad."""
        at = datetime.fromtimestamp(self._clock() / 1000, UTC).isoformat(timespec="milliseconds")
        redis, postgres, (service, untrusted), traces = await asyncio.gather(
            self._seen("redis", "Redis", "start it, and see COUNTER_REDIS_URL", self._redis),
            self._seen("postgres", "Postgres", "start it, and see COUNTER_DATABASE_URL", self._postgres),
            self._service(),
            self._traces(),
        )
        host = [
            *judge_listeners(self._settings, contained=any(path.exists() for path in CONTAINED)),
            judge_proxies(self._settings, untrusted),
            *judge_addresses(self._settings),
            traces,
            await asyncio.to_thread(self._spool),
            judge_files(self._settings.connections, _hard_limit()),
        ]
        return diagnosed([*redis, *postgres, *service, *host], as_of=at, version=__version__)

    async def _seen(
        self, finding: str, part: str, todo: str, look: Callable[[], Awaitable[list[Advice]]]
    ) -> list[Advice]:
        try:
            return await look()
        except CounterError as error:
            return [unseen(finding, part, str(error), todo)]

    async def _redis(self) -> list[Advice]:
        began_ms = self._clock()
        servers = await self._store.server_info("default")
        ended_ms = self._clock()
        health = await self._audit.health()
        middle, took = (began_ms + ended_ms) / 2000, (ended_ms - began_ms) / 1000
        worst = max((middle - server["server_time_usec"] / 1e6 for server in servers), key=abs)
        findings = [judge_redis_version(*_name_and_version(server)) for server in servers[:1]]
        for each in health:
            checks = (
                judge_eviction(each.policy),
                judge_persistence(appends=each.appends, fault=each.fault),
                judge_memory(each.used_memory, each.most_memory),
            )
            findings += [judge_check(check) for check in checks]
        return [*findings, judge_clock("Redis", worst, took)]

    async def _postgres(self) -> list[Advice]:
        async with self._connect() as connection:
            began_ms = self._clock()
            row = await connection.fetchrow(read_query("doctor.server"))
            ended_ms = self._clock()
            applied = await DurableAudit(connection).migrations()
            division = await connection.fetchrow(read_query("lanes.read")) if LANES_SINCE in applied else None
        assert row is not None  # noqa: S101 - a query without `from` gives one row
        *facts, now = row.values()
        needed = migration_versions()
        found = judged(MIGRATIONS, judge_migrations(applied, needed), f"all {len(needed)} applied")
        ahead, took = (began_ms + ended_ms) / 2000 - now, (ended_ms - began_ms) / 1000
        return [
            *judge_postgres(Database(*facts)),
            judge_check(found),
            *([judge_lanes(self._settings.lanes, division["used"], division["moved"])] if division else []),
            judge_clock("Postgres", ahead, took),
        ]

    async def _service(self) -> tuple[list[Advice], float | None]:
        """Ask the service, if it runs; return also how many beacons undeclared proxies forwarded."""
        admin = _url(self._settings.admin_host, self._settings.admin_port)
        public = _url(self._settings.host, self._settings.port)
        async with ClientSession(timeout=ClientTimeout(SECONDS)) as session:
            try:
                async with session.get(f"{admin}/readyz") as response:
                    body = await response.json()
                async with session.get(f"{admin}/metrics", raise_for_status=True) as response:
                    text = await response.text()
            except (ClientError, TimeoutError, ValueError) as error:
                detail = f"nobody answers on {admin} as the service does ({type(error).__name__})"
                todo = "start it (`counter serve`), and run the doctor with the same settings as the service"
                return [fix("service", "service", detail, todo)], None
            findings = judge_ready(body.get("parts", {"status": str(body.get("status"))}))
            findings.append(await self._public(session, public))
        series = series_of(text.splitlines())
        return [*findings, *judge_workers(series), judge_limits(series)], series.get(UNTRUSTED, 0.0)

    async def _traces(self) -> Advice:
        """Ask the collector of traces, if there is to be one, with a message that holds none."""
        wanted = wanted_of(read_variables(PREFIX))
        answer: int | str = 0
        missing = fault_of_extra() if wanted.endpoint else ""
        if wanted.endpoint and not wanted.fault:
            answer = await _status_of(wanted.endpoint)
        return judge_traces(wanted, missing, answer, self._settings.trace_parents)

    async def _public(self, session: ClientSession, url: str) -> Advice:
        try:
            async with session.get(f"{url}/metrics") as response:
                return judge_public(HTTPStatus(response.status), self._settings.port)
        except (ClientError, TimeoutError) as error:
            detail = f"nobody answers on {url} ({type(error).__name__})"
            return fix("public_listener", "service", detail, "see COUNTER_HOST and COUNTER_PORT")

    def _spool(self) -> Advice:
        folder = self._settings.spool_dir
        if not folder.is_dir():
            fault = "there is no such folder"
        else:
            fault = "" if os.access(folder, os.W_OK | os.X_OK) else "it may not be written"
        free_bytes = 0 if fault else shutil.disk_usage(folder).free
        return judge_spool(self._settings, fault, "" if fault else _file_system(folder), free_bytes)


async def _status_of(endpoint: str) -> int | str:
    """Return how a collector answers, or why it does not."""
    try:
        async with (
            ClientSession(timeout=ClientTimeout(SECONDS)) as session,
            session.post(endpoint, data=b"", headers={"Content-Type": "application/x-protobuf"}) as response,
        ):
            return response.status
    except (ClientError, TimeoutError, ValueError) as error:
        return type(error).__name__


def _name_and_version(server: dict[str, Any]) -> tuple[str, str]:
    """Valkey gives the version of Redis that it is compatible with as well."""
    if "valkey_version" in server:
        return "Valkey", str(server["valkey_version"])
    return "Redis", str(server["redis_version"])


def _hard_limit() -> int | None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return None if hard == resource.RLIM_INFINITY else hard


def _url(host: str, port: int) -> str:
    near = "127.0.0.1" if host in EVERYWHERE else host
    return f"http://[{near}]:{port}" if ":" in near else f"http://{near}:{port}"


def _file_system(folder: Path) -> str:
    """Return the kind of file system that a folder is on, empty where nobody knows."""
    try:
        mounts = [line.split()[1:3] for line in MOUNTS.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return ""
    real = folder.resolve()
    kinds = {mount: kind for mount, kind in mounts if real.is_relative_to(mount)}
    return kinds[max(kinds, key=len)] if kinds else ""
