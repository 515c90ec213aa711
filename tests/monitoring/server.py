"""A real Prometheus with the rules that we ship, which scrapes what a test runs."""

import asyncio
import shutil
import socket
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml
from aiohttp import ClientConnectionError, ClientSession

PATIENCE_SECONDS = 90


def program(here: Path, name: str) -> str:
    """Return the path of `prometheus` or `promtool`; deploy/bootstrap.sh sees to it that there is one."""
    found = shutil.which(name) or shutil.which(name, path=here / ".venv" / "prometheus" / "usr" / "bin")
    assert found, f"{name} is missing: sh deploy/bootstrap.sh test"
    return found


class Prometheus:
    """A running server."""

    def __init__(self, url: str, session: ClientSession) -> None:
        self._url = url
        self._session = session

    async def ask(self, path: str, **query: str) -> Any:
        async with self._session.get(f"{self._url}/api/v1/{path}", params=query) as response:
            body = await response.json()
            assert body["status"] == "success", (query, body)
            return body["data"]

    async def traces_of(self, metric: str) -> set[str]:
        """The traces that the buckets of a histogram name."""
        query = f"{metric}_bucket"
        found = await self.ask("query_exemplars", query=query, start="0", end="9999999999")
        return {each["labels"]["trace_id"] for series in found for each in series["exemplars"]}

    async def has(self, expr: str) -> bool:
        """Whether a query gives at least one value that is a number."""
        found = await self.ask("query", query=expr)
        values = (
            [found["result"]]
            if found["resultType"] == "scalar"
            else [each["value"] for each in found["result"]]
        )
        return any(value != "NaN" for _at, value in values)


@asynccontextmanager
async def prometheus(
    here: Path, folder: Path, jobs: Mapping[str, Sequence[str]]
) -> AsyncIterator[Prometheus]:
    """Scrape each job's addresses every second, and keep the exemplars."""
    config = yaml.safe_load((here / "deploy" / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    assert {job["job_name"] for job in config["scrape_configs"]} == set(jobs)
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(here / "deploy" / "prometheus" / file) for file in config["rule_files"]]
    for job in config["scrape_configs"]:
        addresses = [url.removeprefix("http://") for url in jobs[job["job_name"]]]
        job["static_configs"] = [{"targets": addresses}]
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    port = _free_port()
    log = (folder / "prometheus.log").open("wb")
    process = await asyncio.create_subprocess_exec(
        program(here, "prometheus"), f"--config.file={file}", f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}", "--enable-feature=exemplar-storage", stdout=DEVNULL, stderr=log,
    )  # fmt: skip
    try:
        async with ClientSession() as session:
            await _ready(session, f"http://127.0.0.1:{port}", process, folder / "prometheus.log")
            yield Prometheus(f"http://127.0.0.1:{port}", session)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        log.close()


async def _ready(session: ClientSession, url: str, process: Process, log: Path) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            assert process.returncode is None, await asyncio.to_thread(log.read_text)
            try:
                async with session.get(f"{url}/-/ready") as response:
                    if response.status == 200:
                        return
            except ClientConnectionError:
                pass
            await asyncio.sleep(0.1)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
