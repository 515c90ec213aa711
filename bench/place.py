"""Where the measuring takes place: real stores, the real service with all its checks, and the bare references."""

import asyncio
import os
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import ClientSession
from prometheus_client.parser import text_string_to_metric_families
from redis.asyncio import Redis

from bench.cores import LOAD_CORE, SERVICE_CORE, pin, pinned
from counter.config import PREFIX
from counter.database import connected, migrate
from counter.embedded.postgres import Postgres
from counter.embedded.valkey import Valkey
from counter.sites.model import SiteSettings
from counter.sites.store import SiteStore

SITE = "bench"
HOSTS = ("portal.example",)
START_SECONDS = 60
REWRITE_SECONDS = 60
VALKEY_OPTIONS = ("--appendfsync", "everysec", "--auto-aof-rewrite-percentage", "0")
"""As most people run it, synced each second; but its log is written anew only when that is asked for."""
POSTGRES_OPTIONS = tuple(
    word
    for setting in ("shared_buffers=128MB", "max_wal_size=1GB", "wal_level=replica", "io_workers=3")
    for word in ("-c", setting)
)
"""As Postgres comes; `make run` gives it less."""


@dataclass(slots=True)
class Service:
    """A running `counter serve`."""

    process: Process
    public: str
    admin: str

    async def samples(self) -> dict[tuple[str, str], float]:
        """Return its metrics: (name, value of the first label) → value."""
        async with ClientSession() as session, session.get(self.admin + "/metrics") as answer:
            text = await answer.text()
        return {
            (sample.name, next(iter(sample.labels.values()), "")): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }


class Place:
    """Stores that are there for the bench alone."""

    def __init__(self, folder: Path, valkey: Valkey, postgres: Postgres) -> None:
        self.folder = folder
        self.valkey = valkey
        self.postgres = postgres

    @asynccontextmanager
    async def serving(
        self, *, pinned_to: int | None = SERVICE_CORE, **variables: str
    ) -> AsyncIterator[Service]:
        """Yield a service on one core, or on all of them, with the checks and limits as they come."""
        environment = {
            "COUNTER_REDIS_URL": self.valkey.url,
            "COUNTER_DATABASE_URL": self.postgres.url,
            "COUNTER_SPOOL_DIR": str(self.folder / "spool"),
            "COUNTER_TRUSTED_PROXIES": "127.0.0.1/32",
            "COUNTER_PORT": "0",
            "COUNTER_ADMIN_PORT": "0",
            **variables,
        }
        with (self.folder / "service.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *pinned(pinned_to),
                *(sys.executable, "-m", "bench.shipped", "serve"),
                env=_clean(os.environ) | environment,
                stdout=PIPE,
                stderr=log,
            )
        try:
            said: dict[str, str] = {}
            assert process.stdout  # noqa: S101 - it was asked for
            while "readiness" not in said:
                async with asyncio.timeout(START_SECONDS):
                    line = (await process.stdout.readline()).decode()
                if not line:
                    raise RuntimeError((self.folder / "service.log").read_text(encoding="utf-8"))
                what, _, url = line.partition(" ")
                said[what] = url.strip()
            yield Service(
                process, said["script"].removesuffix("/counter.js"), said["readiness"].removesuffix("/readyz")
            )
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()

    @asynccontextmanager
    async def bare(self, body: bytes = b"{}") -> AsyncIterator[str]:
        """Yield the address of the references; `/bytes` answers with `body`."""
        file = self.folder / "bytes"
        file.write_bytes(body)
        port = _free_port()
        process = await asyncio.create_subprocess_exec(
            *pinned(SERVICE_CORE),
            *(sys.executable, "-m", "bench.bare", str(port), str(file)),
            stdout=DEVNULL,
        )
        try:
            await _until_answers(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            await process.wait()

    async def add_sites(self, number: int) -> None:
        """Register `bench`, and `bench-0` and so on."""
        settings = SiteSettings(hosts=HOSTS)
        async with connected(self.postgres.url) as connection, connection.transaction():
            store = SiteStore(connection)
            have = {site.key for site in await store.list_all()}
            for key in [SITE, *(f"{SITE}-{each}" for each in range(number))]:
                if key not in have:
                    await store.add(key, settings)

    async def rewrite_log(self) -> None:
        """Let Redis write its log anew, and wait until it has: that takes this core for seconds.

        By itself it does so when the log has doubled, so in the midst of whatever is being measured.
        """
        async with Redis.from_url(self.valkey.url) as client:
            await client.bgrewriteaof()
            async with asyncio.timeout(REWRITE_SECONDS):
                while await _rewrites(client):  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.05)

    async def redis_bytes(self) -> int:
        """Return the memory that Redis needs for what it holds."""
        async with Redis.from_url(self.valkey.url) as client:
            return int((await client.info("memory"))["used_memory_dataset"])


@asynccontextmanager
async def place(folder: Path, core: int | None = LOAD_CORE) -> AsyncIterator[Place]:
    """Yield empty, migrated stores on a core, that of the load by default; None lets the system choose."""
    async with AsyncExitStack() as stack:
        valkey = Valkey(folder / "valkey", options=VALKEY_OPTIONS)
        postgres = Postgres(folder / "postgres", options=POSTGRES_OPTIONS)
        await stack.enter_async_context(valkey)
        await stack.enter_async_context(postgres)
        if core is not None:
            for engine in (valkey, postgres):
                pin(engine.pid, core)
        await migrate(postgres.url)
        yield Place(folder, valkey, postgres)


async def _rewrites(client: Redis) -> bool:
    told = await client.info("persistence")
    return bool(told["aof_rewrite_in_progress"] or told["aof_rewrite_scheduled"])


def _clean(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if not name.startswith(PREFIX)}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


async def _until_answers(port: int) -> None:
    async with asyncio.timeout(START_SECONDS):
        while True:
            try:
                _reader, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return
