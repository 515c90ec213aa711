"""The whole service on real engines, asked over HTTP, with a clock that tests set."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession
from pydantic import SecretStr

from counter.app import build
from counter.config import Settings
from counter.database import connected
from counter.listen import listening
from counter.sites.model import Site, SiteSettings
from counter.sites.store import SiteStore
from tests.acceptance.instance import Launcher, launcher_of
from tests.rights import with_least_rights

PERSON = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36"
NOON = int(datetime(2026, 6, 10, 5, tzinfo=UTC).timestamp() * 1000)  # 12:00 in Vietnam, a Wednesday


class SetClock:
    """A clock that stands where a test puts it."""

    def __init__(self, now_ms: int = NOON) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms


@dataclass
class Running:
    """A running service, and the questions that tests ask it."""

    public: str
    admin: str
    session: ClientSession
    clock: SetClock
    settings: Settings

    async def hit(
        self, path: str = "/a", *, site: str = "portal", query: str = "", **headers: str
    ) -> ClientResponse:
        body = json.dumps({"site": site, "path": path})
        return await self.post(f"/v1/hits{query}", body, **headers)

    async def post(self, address: str, body: str | bytes, **headers: str) -> ClientResponse:
        sent = {"User-Agent": PERSON, "Content-Type": "text/plain", **_headers(headers)}
        return await self._read(await self.session.post(self.public + address, data=body, headers=sent))

    async def get(self, address: str, **headers: str) -> ClientResponse:
        sent = {"User-Agent": PERSON, **_headers(headers)}
        return await self._read(await self.session.get(self.public + address, headers=sent))

    async def widget(self, site: str = "portal", metric: str = "") -> dict[str, Any]:
        response = await self.get(f"/v1/sites/{site}/widget" + (f"?metric={metric}" if metric else ""))
        found: dict[str, Any] = await response.json()
        return found

    async def metric(self, line: str) -> float:
        """The value of one series, such as `counter_hits_total{result="view"}`; 0 if there is none."""
        async with self.session.get(self.admin + "/metrics") as response:
            text = await response.text()
        values = [row.rpartition(" ")[2] for row in text.splitlines() if row.startswith(line + " ")]
        return float(values[0]) if values else 0.0

    async def add_site(self, key: str = "portal", **chosen: Any) -> Site:
        """Register a site, and wait until this service knows it."""
        async with connected(self.settings.database_url.get_secret_value()) as connection:
            site = await SiteStore(connection).add(key, SiteSettings(**chosen))
        while (await self.get(f"/v1/sites/{key}/pages?path=/")).status == 404:
            pass
        return site

    @staticmethod
    async def _read(response: ClientResponse) -> ClientResponse:
        await response.read()
        return response


def _headers(given: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in given.items()}


@asynccontextmanager
async def running(settings: Settings, clock: SetClock) -> AsyncIterator[Running]:
    """Run the service as `counter serve` does, on free ports, with the least rights."""
    async with (
        build(with_least_rights(settings), clock) as service,
        listening(service.admin, "127.0.0.1", 0) as admin,
        listening(service.public, "127.0.0.1", 0, express=service.express) as public,
        ClientSession() as session,
    ):
        yield Running(public, admin, session, clock, settings)


@pytest.fixture
def settings(redis_url: str, database_url: str, tmp_path: Path) -> Settings:
    return Settings(
        redis_url=SecretStr(redis_url),
        database_url=SecretStr(database_url),
        rollup_seconds=0.2,
        redis_timeout_seconds=0.5,
        patience_seconds=0.3,
        spool_dir=tmp_path / "spool",
        snapshot_milliseconds=0,
        address_hits_per_second=0,
        network_hits_per_second=0,
        new_visitors_per_minute=0,
        demo=True,
    )


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[Running]:
    """A running service with the site `portal`."""
    async with running(settings, SetClock()) as found:
        await found.add_site()
        yield found


@pytest.fixture
async def launcher(settings: Settings, tmp_path: Path) -> AsyncIterator[Launcher]:
    """Starts instances that know the site `portal`."""
    async with connected(settings.database_url.get_secret_value()) as connection:
        await SiteStore(connection).add("portal", SiteSettings())
    async with launcher_of(settings, tmp_path) as found:
        yield found
