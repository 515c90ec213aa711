"""The load: wrk, a client that needs far less time for a request than any service in Python."""

import asyncio
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from bench.cores import LOAD_CORE, pinned

SCRIPT = Path(__file__).with_name("wrk") / "requests.lua"
UNPACKED = Path(".venv/wrk/usr/bin/wrk")
GRACE_SECONDS = 60


class LoadError(Exception):
    """The load could not be made, or was not answered as it must be."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent.

    Attributes:
        target: path of the requests.
        kind: `hit`, `walk` or `get`.
        sites: that the hits are for, at random.
        visitors: that the hits come from, at random; each has an address of its own.
        pages: that are shown, at random.
        known: entity tag that the client sends.
        connections: kept open.
        pause_ms: between an answer and the next request of its connection, on average.
        first: number of the visitor with whom a walk begins.
        refused: whether all answers must be errors, instead of none.
    """

    target: str
    kind: str = "hit"
    sites: int = 1
    visitors: int = 60_000
    pages: int = 2_000
    known: str = "-"
    connections: int = 64
    pause_ms: int = 0
    first: int = 0
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of a load: how many requests in how many seconds, and how long they took."""

    requests: int
    seconds: float
    failed: int
    refused: int
    p50_us: int
    p99_us: int

    @property
    def per_second(self) -> float:
        """Requests answered in a second."""
        return self.requests / self.seconds


def program() -> str:
    """Return where wrk is.

    Raises:
        LoadError: it is nowhere.
    """
    found = shutil.which("wrk") or (str(UNPACKED) if UNPACKED.exists() else None)
    if found is None:
        raise LoadError("wrk is missing; install your system's package `wrk`")
    return found


async def send(url: str, load: Load, seconds: float, core: int | None = LOAD_CORE) -> Answered:
    """Send a load for a while, from a core; None lets the system choose.

    Raises:
        LoadError: requests failed, or wrk did.
    """
    words = (
        load.kind,
        load.target,
        load.sites,
        load.visitors,
        load.pages,
        load.known,
        load.pause_ms,
        load.first,
    )
    process = await asyncio.create_subprocess_exec(
        *pinned(core),
        program(),
        "--threads=1",
        f"--connections={load.connections}",
        f"--duration={max(1, round(seconds))}s",
        "--timeout=10s",
        "--latency",
        f"--script={SCRIPT}",
        url,
        "--",
        *map(str, words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(seconds + GRACE_SECONDS):
        said, complained = await process.communicate()
    try:
        answered = Answered(**json.loads(said.decode().splitlines()[-1]))
    except (IndexError, ValueError, TypeError) as error:
        raise LoadError(f"wrk failed: {complained.decode()[-500:]}") from error
    if answered.failed or answered.refused != (answered.requests if load.refused else 0):
        raise LoadError(f"{answered.failed} requests failed, {answered.refused} were refused")
    return answered
