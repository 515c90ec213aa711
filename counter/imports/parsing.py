"""Lines become hits, in this process or in several; both ways give the same, in the order of the lines.

Reading what a line says and judging it take most of an import's time, and need nothing but the line. Lines go
to other processes in chunks; what comes back are the hits, and how many lines were left out for what.
"""

import signal
from collections import Counter, deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache
from multiprocessing import get_context
from typing import Final, NamedTuple

from counter.buckets.batch import Hit, Kind
from counter.errors import ImportFileError
from counter.imports.chooser import Chooser
from counter.imports.formats import COMBINED, W3C, parser_of
from counter.imports.plan import Options, Plan
from counter.sites.model import Site, SiteSettings, calendar_of

CHUNK_LINES: Final = 2000
CHUNKS_AHEAD: Final = 4
"""How many chunks each process may be ahead of what was taken, which bounds the memory."""
EXAMPLES: Final = 5
AUTO: Final = "auto"
_FIELDS: Final = b"#Fields:"


class Example(NamedTuple):
    """A malformed line: its number, from 1, and how it begins."""

    number: int
    text: str


class Chunk(NamedTuple):
    """Lines of one format that follow each other, the first of which has a number from 1."""

    format: str
    first: int
    lines: list[bytes]


class Rules(NamedTuple):
    """What decides about a line; it can be handed to another process."""

    site_id: int
    key: str
    settings: SiteSettings
    options: Options
    digest: str


class Parsed(NamedTuple):
    """What a chunk holds: its hits without their site, and the fate of all other lines."""

    lines: int
    hits: list[tuple[int, bool, str, bytes]]
    skipped: Counter[str]
    malformed: int
    examples: list[Example]


def chunks(lines: Iterable[bytes], format_: str, size: int = CHUNK_LINES) -> Iterator[Chunk]:
    """Cut lines into chunks of one format each; a line that says `#Fields:` begins another one."""
    first = 1
    gathered: list[bytes] = []
    chosen = COMBINED if format_ == AUTO else format_
    for number, line in enumerate(lines, start=1):
        if (
            line[:1] == b"#"
            and format_ in {AUTO, W3C}
            and (line.startswith(_FIELDS) or chosen != COMBINED or number == 1)
        ):
            if gathered:
                yield Chunk(chosen, first, gathered)
                gathered = []
            chosen = _told_by(line, chosen)
            first = number
        elif not gathered:
            first = number
        gathered.append(line)
        if len(gathered) >= size:
            yield Chunk(chosen, first, gathered)
            gathered = []
    if gathered:
        yield Chunk(chosen, first, gathered)


def _told_by(line: bytes, chosen: str) -> str:
    """Return the format after a directive."""
    if line.startswith(_FIELDS):
        return " ".join([W3C, *line[len(_FIELDS) :].decode("utf-8", "replace").split()])
    return W3C if chosen == COMBINED else chosen


@lru_cache(maxsize=4)
def _chooser(rules: Rules) -> Chooser:
    site = Site(
        rules.site_id, rules.key, enabled=True, settings=rules.settings, span_of=calendar_of(rules.settings)
    )
    return Chooser(Plan(site, rules.options, rules.digest))


def parse_chunk(rules: Rules, chunk: Chunk) -> Parsed:
    """Read and judge the lines of a chunk."""
    parse, chooser = parser_of(chunk.format), _chooser(rules)
    w3c = chunk.format.startswith(W3C)
    parsed = Parsed(len(chunk.lines), [], Counter(), 0, [])
    malformed = 0
    for number, line in enumerate(chunk.lines, start=chunk.first):
        request = parse(line)
        if request is None:
            if w3c and line[:1] == b"#":
                parsed.skipped["a directive"] += 1
                continue
            malformed += 1
            if malformed <= EXAMPLES:
                parsed.examples.append(Example(number, line[:100].decode("utf-8", "replace")))
            continue
        outcome = chooser.choose(request)
        if isinstance(outcome, str):
            parsed.skipped[outcome] += 1
        else:
            parsed.hits.append((outcome.at_ms, outcome.kind is Kind.BOT, outcome.path, outcome.visitor))
    return parsed._replace(malformed=malformed)


def parse_all(pieces: Iterable[Chunk], plan: Plan, jobs: int = 0) -> Generator[Parsed]:
    """Yield what each chunk holds, in their order.

    Args:
        pieces: the chunks.
        plan: decides what counts.
        jobs: how many processes read; 0 for this one.
    """
    site = plan.site
    rules = Rules(site.id, site.key, site.settings, plan.options, plan.digest)
    if not jobs:
        for chunk in pieces:
            yield parse_chunk(rules, chunk)
        return
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), signal.signal, (signal.SIGINT, signal.SIG_IGN))
    waiting: deque[Future[Parsed]] = deque()
    try:
        for chunk in pieces:
            waiting.append(pool.submit(parse_chunk, rules, chunk))
            if len(waiting) >= jobs * CHUNKS_AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise ImportFileError("a process that read lines is gone; run the same command again") from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def hit_of(site: Site, told: tuple[int, bool, str, bytes]) -> Hit:
    """Return a hit of a site."""
    at_ms, bot, path, visitor = told
    return Hit(site, at_ms, Kind.BOT) if bot else Hit(site, at_ms, Kind.VIEW, path, visitor)
