"""How fast a log is imported: the whole command, beside a bare parse of the same lines."""

import asyncio
import os
import random
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from statistics import median
from time import perf_counter
from typing import Final

from crawleruseragents import CRAWLER_USER_AGENTS_DATA

from bench.figures import Figure, Rounds
from bench.load import LoadError
from bench.place import SITE, Place

LINES: Final = 300_000
DAYS: Final = 30
PAGES: Final = 2000
VISITORS: Final = 20_000
FIRST: Final = int(datetime(2026, 5, 1, tzinfo=UTC).timestamp())
_WEBKIT: Final = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{0}.0.0.0"
_PHONE: Final = "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/{0} Mobile/15E148 Safari/604.1"
BROWSERS: Final = [
    *(f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_WEBKIT} Safari/537.36".format(v) for v in range(90, 143)),
    *(f"Mozilla/5.0 (Linux; Android 10; K) {_WEBKIT} Mobile Safari/537.36".format(v) for v in range(90, 143)),
    *(
        f"Mozilla/5.0 (Linux; Android 14; SM-A{n}5F) {_WEBKIT} Zalo".format(v)
        for n in range(9)
        for v in range(120, 143)
    ),
    *(f"Mozilla/5.0 (Windows NT 10.0; rv:{v}.0) Gecko/20100101 Firefox/{v}.0" for v in range(90, 146)),
    *(f"Mozilla/5.0 (iPhone; CPU iPhone OS {n}_0 like Mac OS X) {_PHONE}".format(n) for n in range(12, 27)),
]
CRAWLERS: Final = [
    agent for known in CRAWLER_USER_AGENTS_DATA for agent in known["instances"][:1] if '"' not in agent
]


def log_lines(number: int) -> list[str]:
    """Return lines of the combined format, a month of people and crawlers; always the same ones.

    A person looks at three pages on average, and each page brings a file or two; a seventh of the lines are
    crawlers', some are forms, and some ask for what is not there.
    """
    draw, found = random.Random(4711), list[tuple[int, str]]()  # noqa: S311 - nobody has to guess
    while len(found) < number:
        at = FIRST + draw.randrange(DAYS * 86_400)
        found += _crawl(draw, at) if draw.random() < 0.25 else _visit(draw, at)  # noqa: PLR2004
    return [line for _at, line in sorted(found)[:number]]


def _visit(draw: random.Random, at: int) -> Iterator[tuple[int, str]]:
    person = int(VISITORS * draw.random() ** 2)
    client, agent = _address(11, person), BROWSERS[person % len(BROWSERS)]
    for _page in range(min(20, 1 + int(draw.expovariate(0.5)))):
        status = 404 if draw.random() < 0.05 else 200  # noqa: PLR2004
        method = "POST" if draw.random() < 0.05 else "GET"  # noqa: PLR2004
        yield at, _line(draw, client, at, f"{method} {_path(draw)}", status, agent)
        for _file in range(int(draw.expovariate(0.5))):
            name = draw.randrange(300)
            kind = ("css", "js", "png", "jpg", "woff2")[name % 5]
            yield at + 1, _line(draw, client, at + 1, f"GET /assets/{name}.{kind}", 200, agent)
        at += 2 + int(draw.expovariate(1 / 40))


def _crawl(draw: random.Random, at: int) -> Iterator[tuple[int, str]]:
    crawler = int(len(CRAWLERS) * draw.random() ** 4)
    client, agent = _address(66, crawler), CRAWLERS[crawler]
    for place in range(1 + int(draw.expovariate(0.5))):
        yield at + place, _line(draw, client, at + place, f"GET {_path(draw)}", 200, agent)


def _path(draw: random.Random) -> str:
    return f"/tin-tuc/bai-viet-{1 + int(PAGES * draw.random() ** 2)}.html"


def _address(first: int, number: int) -> str:
    return f"{first + number % 7}.{number % 251}.{number // 251 % 251}.{number % 241}"


def _line(  # noqa: PLR0917 - the parts of a line in their order
    draw: random.Random, client: str, at: int, request: str, status: int, agent: str
) -> str:
    time = datetime.fromtimestamp(at, UTC)
    return (
        f"{client} - - [{time:%d/%b/%Y:%H:%M:%S} +0000] "
        f'"{request} HTTP/1.1" {status} {draw.randrange(90_000)} "https://portal.example/" "{agent}"\n'
    )


async def importing(place: Place, rounds: Rounds) -> list[Figure]:
    """A month's log into a site of its own each round, beside a bare parse of the same lines."""
    lines = max(3000, round(LINES * min(1.0, rounds.seconds)))
    log = place.folder / "access.log"
    log.write_text("".join(log_lines(lines)), encoding="utf-8")
    await place.add_sites(rounds.enough)
    environment = {
        **os.environ,
        "COUNTER_REDIS_URL": place.valkey.url,
        "COUNTER_DATABASE_URL": place.postgres.url,
    }
    ratios, raw = [], []
    for number in range(rounds.enough):
        bare = await _seconds(["bench.bare_log", str(log)], environment, f"{lines}\n")
        site = f"{SITE}-{number}"
        ours = await _seconds(
            ["counter", "import", "log", str(log), "--site", site], environment, f"{lines} lines"
        )
        ratios.append(bare / ours)
        raw.append(f"{lines / ours:.0f}/{lines / bare:.0f}")
    return [Figure("lines of a log imported ÷ bare parse", median(ratios), 0.3, raw=raw)]


async def _seconds(module: list[str], environment: Mapping[str, str], said: str) -> float:
    """Return how long a whole command takes, which has to say that it did all of its work."""
    began = perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *module, env=environment, stdout=PIPE, stderr=STDOUT
    )
    output, _ = await process.communicate()
    seconds = perf_counter() - began
    if process.returncode or not output.decode().startswith(said):
        raise LoadError(output.decode())
    return seconds
