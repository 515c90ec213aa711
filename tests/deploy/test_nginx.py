"""A real nginx with our example before the real service."""

import asyncio
import json
import socket
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from aiohttp import ClientError, ClientResponse, ClientSession, TCPConnector

from counter.config import Settings
from tests.acceptance.conftest import PERSON, Running, SetClock, running
from tests.acceptance.conftest import settings as settings  # noqa: PLC0414 - the fixture

PATIENCE_SECONDS = 60


class Front(NamedTuple):
    """nginx, and the service behind it."""

    https: str
    http: str
    service: Running

    async def ask(
        self, address: str, body: str | None = None, *, of: str = "127.0.0.1", **headers: str
    ) -> ClientResponse:
        """Ask nginx from one of this machine's own addresses."""
        trusting = TCPConnector(ssl=False, local_addr=(of, 0))
        sent = {"User-Agent": PERSON, **{name.replace("_", "-"): value for name, value in headers.items()}}
        async with ClientSession(connector=trusting) as session:
            method = "GET" if body is None else "POST"
            async with session.request(
                method, address, data=body, headers=sent, allow_redirects=False
            ) as response:
                await response.read()
                return response


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def _configured(example: str, folder: Path, plain: int, tls: int, upstream: str) -> str:
    """Return the example with the addresses and files of a test, and a limit that a test can reach."""
    changed = {
        "listen 80;": f"listen 127.0.0.1:{plain};",
        "listen 443 ssl http2;": f"listen 127.0.0.1:{tls} ssl http2;",
        "    listen [::]:80;\n": "",
        "    listen [::]:443 ssl http2;\n": "",
        "server 127.0.0.1:8080;": f"server {upstream};",
        "/etc/ssl/counter": str(folder),
        "/var/cache/nginx/counter": str(folder / "cache"),
        "/var/log/nginx": str(folder),
        "rate=100r/s": "rate=1r/m",
        "burst=1500": "burst=40",
    }
    for old, new in changed.items():
        assert old in example, old
        example = example.replace(old, new)
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;\n" if Path("/root").owner() == "root" and folder.owner() == "root" else ""
    return (
        f"{user}daemon off;\nworker_processes 1;\npid {folder}/pid;\nerror_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{\n{temporary}{example}\n}}\n"
    )


@pytest.fixture
async def front(
    settings: Settings, here: Path, tmp_path: Path, system: Callable[[str], str]
) -> AsyncIterator[Front]:
    made = await asyncio.create_subprocess_exec(
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=counter.example",
        "-keyout", tmp_path / "privkey.pem", "-out", tmp_path / "fullchain.pem", stderr=DEVNULL,
    )  # fmt: skip
    assert await made.wait() == 0
    believing = Settings(**{**settings.model_dump(), "trusted_proxies": "127.0.0.1/32"})
    async with running(believing, SetClock()) as service:
        await service.add_site()
        plain, tls = _free_port(), _free_port()
        example = (here / "deploy/nginx/counter.conf").read_text(encoding="utf-8")
        file = tmp_path / "nginx.conf"
        file.write_text(_configured(example, tmp_path, plain, tls, service.public.removeprefix("http://")))
        process = await asyncio.create_subprocess_exec(
            system("nginx"), "-c", str(file), "-p", str(tmp_path), "-e", str(tmp_path / "start.log")
        )
        try:
            found = Front(f"https://127.0.0.1:{tls}", f"http://127.0.0.1:{plain}", service)
            await _answers(found.http, process, tmp_path)
            yield found
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


async def _answers(address: str, process: asyncio.subprocess.Process, folder: Path) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS), ClientSession() as session:
        while True:
            assert process.returncode is None, (folder / "start.log").read_text()
            try:
                async with session.get(address, allow_redirects=False) as response:
                    assert response.status == 301
                    return
            except ClientError:
                await asyncio.sleep(0.05)


async def _shows(service: Running, today: int, metric: str = "") -> None:
    """Wait until the widget has numbers at all, which it has once a base was made, and hold it to them."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while "today" not in (found := await service.widget(metric=metric)):
            pass
    assert found["today"] == today


def _hit(path: str = "/a") -> str:
    return json.dumps({"site": "portal", "path": path})


def test_nginx_keeps_no_address(here: Path) -> None:
    """Each of the servers says so, as the default of the `http` block around them is a log of all visitors."""
    example = (here / "deploy/nginx/counter.conf").read_text(encoding="utf-8")
    servers = example.split("\nserver {")[1:]
    assert len(servers) == 2
    assert all("    access_log off;" in server for server in servers)


async def test_nginx_before_the_service(front: Front) -> None:
    """Visitors are told apart by their own address whatever they claim; script and numbers are cached; a flood ends."""
    moved = await front.ask(front.http + "/counter.js")
    assert moved.headers["Location"].startswith("https://")

    # Two people behind one browser name; what they write into the header makes no third.
    for of, claim in (("127.0.0.1", "8.8.8.8"), ("127.0.0.1", "9.9.9.9"), ("127.0.0.2", "8.8.8.8")):
        answer = await front.ask(front.https + "/v1/hits", _hit(), of=of, X_Forwarded_For=claim)
        assert answer.status == 200
    await _shows(front.service, 2)
    await _shows(front.service, 3, metric="views")

    for address in ("/counter.js", "/v1/sites/portal/widget"):
        first = await front.ask(front.https + address)
        again = await front.ask(front.https + address)
        assert (first.status, again.status) == (200, 200)
        assert first.headers["X-Cache"] == "MISS"
        assert again.headers["X-Cache"] in {"HIT", "EXPIRED", "STALE", "UPDATING"}
    assert again.headers["Access-Control-Allow-Origin"] == "*"
    pinned = await front.ask(front.https + "/counter.js")
    assert pinned.headers["X-Cache"] == "HIT"

    assert (await front.ask(front.https + "/metrics")).status == 404
    assert (await front.ask(front.https + "/v1/hits", "x" * 100_000)).status == 413
    flood = [
        (await front.ask(front.https + "/v1/sites/portal/widget", of="127.0.0.3")).status for _ in range(50)
    ]
    assert flood.count(429) >= 5
    assert 200 in flood
