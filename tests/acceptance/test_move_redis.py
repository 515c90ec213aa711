"""Moving to another Redis as docs/backup.md says, under load: every acknowledged hit is counted, once."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession
from pydantic import SecretStr

from counter.config import Settings
from counter.database import connected
from counter.sites.model import SiteSettings
from counter.sites.store import SiteStore
from tests.acceptance.conftest import PERSON
from tests.acceptance.instance import PATIENCE_SECONDS, launcher_of, listening_socket
from tests.engines.server import Server, free_ports

ACKNOWLEDGED = {200, 202, 204}


@pytest.fixture
async def servers(tmp_path: Path) -> AsyncIterator[tuple[Server, Server]]:
    """The old Redis, and an empty new one."""
    old_port, new_port = free_ports(2)
    async with (
        Server(tmp_path / "old", port=old_port, options=("--repl-diskless-sync-delay", "0")) as old,
        Server(tmp_path / "new", port=new_port) as new,
    ):
        yield old, new


class Clients:
    """Send hits one after another, and note what was answered."""

    def __init__(self, public: str) -> None:
        self.answers: Counter[int] = Counter()
        self.totals: list[int] = []
        self._public = public
        self._stop = asyncio.Event()

    def stop(self) -> None:
        self._stop.set()

    async def run(self) -> None:
        async with ClientSession() as session:
            while not self._stop.is_set():
                await self._hit(session, sum(self.answers.values()))

    async def _hit(self, session: ClientSession, number: int) -> None:
        body = json.dumps({"site": "portal", "path": f"/{number % 5}"})
        headers = {"User-Agent": f"{PERSON} {number % 9}", "Content-Type": "text/plain"}
        async with session.post(self._public + "/v1/hits", data=body, headers=headers) as response:
            self.answers[response.status] += 1
            if response.status == 200:
                self.totals.append((await response.json())["total"])

    @property
    def acknowledged(self) -> int:
        return sum(count for status, count in self.answers.items() if status in ACKNOWLEDGED)

    async def more(self, status: int, count: int = 20) -> None:
        """Wait until so many more hits were answered like this."""
        wanted = self.answers[status] + count
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.answers[status] < wanted:
                await asyncio.sleep(0.01)


async def test_nothing_is_lost_on_the_way(
    settings: Settings, servers: tuple[Server, Server], tmp_path: Path
) -> None:
    """Replicate, fail over, start with the new address, end the old process: acknowledged = counted."""
    old, new = servers
    async with connected(settings.database_url.get_secret_value()) as connection:
        await SiteStore(connection).add("portal", SiteSettings(metric="views"))
    before = settings.model_copy(update={"redis_url": SecretStr(old.url)})
    with listening_socket(tmp_path) as socket:
        async with launcher_of(before, tmp_path) as launcher, asyncio.TaskGroup() as group:
            first = await launcher.start(socket, COUNTER_DRAIN_SECONDS="1", COUNTER_PATIENCE_SECONDS="0.3")
            clients = Clients(first.public)
            group.create_task(clients.run())
            await clients.more(200)
            # 1. The new one becomes a replica of the old one, and has everything.
            await new.ask("REPLICAOF", "127.0.0.1", old.port)
            async with asyncio.timeout(PATIENCE_SECONDS):
                while (await new.ask("INFO", "replication")).get("master_link_status") != "up":
                    await asyncio.sleep(0.05)
            await clients.more(200)
            # 2. They change places; from now on hits wait in the spool.
            await old.ask("FAILOVER", "TO", "127.0.0.1", new.port)
            async with asyncio.timeout(PATIENCE_SECONDS):
                while (await new.ask("INFO", "replication"))["role"] != "master":
                    await asyncio.sleep(0.05)
            await clients.more(202)
            # 3. A process with the new address starts, and 4. the old one ends.
            second = await launcher.start(socket, COUNTER_REDIS_URL=new.url, COUNTER_DRAIN_SECONDS="1")
            first.signal()
            assert await first.ended() == 0
            await clients.more(200)
            clients.stop()
        assert set(clients.answers) <= ACKNOWLEDGED
        assert clients.totals == sorted(clients.totals)
        async with (
            launcher_of(settings.model_copy(update={"redis_url": SecretStr(new.url)}), tmp_path) as launcher,
            connected(settings.database_url.get_secret_value()) as connection,
            asyncio.timeout(PATIENCE_SECONDS),
        ):
            # `second` ended with its launcher; whoever comes next finishes what it left.
            third = await launcher.start()
            stored = "select coalesce(sum(views), 0) from aggregates"
            while await connection.fetchval(stored) < clients.acknowledged:
                await asyncio.sleep(0.05)
            third.signal()
            assert await third.ended() == 0
            assert await connection.fetchval(stored) == clients.acknowledged
            pages = "select sum(views) from page_aggregates"
            assert await connection.fetchval(pages) == clients.acknowledged
        assert second.process.returncode is not None
