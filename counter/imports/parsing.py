"""Lines become hits, in this process or in several; both ways give the same, in the order of the lines.

Reading what a line says and judging it take most of an import's time, and need nothing but the line. Lines go
to other processes in chunks; what comes back are the hits, and how many lines were left out for what.
"""

import asyncio
import signal
from collections import Counter, deque
from collections.abc import AsyncGenerator, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache
from multiprocessing import get_context
from typing import Final, NamedTuple

from counter.errors import ImportFileError
from counter.imports.chooser import Chooser, Told
from counter.imports.formats import COMBINED, W3C, parser_of
from counter.imports.plain import PlainReader
from counter.imports.plan import Options, Plan
from counter.sites.model import Site, SiteSettings, calendar_of

CHUNKS_AHEAD: Final = 4
"""How many chunks each process may be ahead of what was taken, which bounds the memory."""
EXAMPLES: Final = 5
AUTO: Final = "auto"
DIRECTIVE: Final = "a directive"
_FIELDS: Final = b"#Fields:"


class ReadersGoneError(ImportFileError):
    """A process that read lines is gone; run the same command again."""


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
    """What a chunk holds: its hits, and the fate of all other lines."""

    lines: int
    hits: list[Told]
    skipped: Counter[str]
    malformed: int
    examples: list[Example]


def chunks(lists: Iterable[list[bytes]], format_: str) -> Iterator[Chunk]:
    """Make chunks of one format each of lists of lines; a line that says `#Fields:` begins another one."""
    first, chosen = 1, COMBINED if format_ == AUTO else format_
    for lines in lists:
        begin = 0
        for place in _directives(lines) if format_ in {AUTO, W3C} else ():
            line = lines[place]
            if line.startswith(_FIELDS) or chosen != COMBINED or first + place == 1:
                if begin < place:
                    yield Chunk(chosen, first + begin, lines[begin:place])
                begin, chosen = place, _told_by(line, chosen)
        if begin < len(lines):
            yield Chunk(chosen, first + begin, lines[begin:])
        first += len(lines)


def after(pieces: Iterable[Chunk], done: int, examples: list[Example]) -> Iterator[Chunk]:
    """Leave out so many lines from the beginning, of which nothing remains but chunks without any.

    Args:
        pieces: the chunks.
        done: how many lines.
        examples: of malformed lines; those that are left out get their texts back.
    """
    for chunk in pieces:
        left_out = max(0, done + 1 - chunk.first)
        for place, (number, _text) in enumerate(examples if left_out else ()):
            if number in range(chunk.first, chunk.first + len(chunk.lines)):
                examples[place] = example_of(number, chunk.lines[number - chunk.first])
        yield Chunk(chunk.format, chunk.first + left_out, chunk.lines[left_out:]) if left_out else chunk


def example_of(number: int, line: bytes) -> Example:
    """Return what is shown of a malformed line."""
    return Example(number, line[:100].decode("utf-8", "replace"))


def _directives(lines: list[bytes]) -> list[int]:
    return [place for place, line in enumerate(lines) if line[:1] == b"#"]


def _told_by(line: bytes, chosen: str) -> str:
    """Return the format after a directive."""
    if line.startswith(_FIELDS):
        return " ".join([W3C, *line[len(_FIELDS) :].decode("utf-8", "replace").split()])
    return W3C if chosen == COMBINED else chosen


class _Look:
    """What came of the lines of a chunk so far."""

    def __init__(self, chunk: Chunk, chooser: Chooser) -> None:
        self.hits: list[Told] = []
        self.reasons: list[str] = []
        self.malformed = 0
        self.examples: list[Example] = []
        self._chunk = chunk
        self._chooser = chooser
        self._parse = parser_of(chunk.format)
        self._has_directives = chunk.format.startswith(W3C)

    def look(self, place: int) -> None:
        """Read and judge one line."""
        line = self._chunk.lines[place]
        request = self._parse(line)
        if request is None:
            self._note(place, line)
            return
        outcome = self._chooser.choose(request)
        if isinstance(outcome, str):
            self.reasons.append(outcome)
        else:
            self.hits.append(outcome)

    def _note(self, place: int, line: bytes) -> None:
        if self._has_directives and line[:1] == b"#":
            self.reasons.append(DIRECTIVE)
            return
        self.malformed += 1
        if self.malformed <= EXAMPLES:
            self.examples.append(example_of(self._chunk.first + place, line))


@lru_cache(maxsize=4)
def _readers(rules: Rules) -> tuple[Chooser, PlainReader]:
    site = Site(
        rules.site_id, rules.key, enabled=True, settings=rules.settings, span_of=calendar_of(rules.settings)
    )
    chooser = Chooser(Plan(site, rules.options, rules.digest))
    return chooser, PlainReader(chooser)


def parse_chunk(rules: Rules, chunk: Chunk) -> Parsed:
    """Read and judge the lines of a chunk."""
    chooser, plain = _readers(rules)
    takes = _Look(chunk, chooser)
    if chunk.format == COMBINED:
        plain.read(chunk.lines, takes)
    else:
        for place in range(len(chunk.lines)):
            takes.look(place)
    return Parsed(len(chunk.lines), takes.hits, Counter(takes.reasons), takes.malformed, takes.examples)


async def parse_all(pieces: Iterable[Chunk], plan: Plan, jobs: int = 0) -> AsyncGenerator[Parsed]:
    """Yield what each chunk holds, in their order, and let others run in between.

    Args:
        pieces: the chunks; others run also after those without lines.
        plan: decides what counts.
        jobs: how many processes read; 0 for this one.
    """
    site = plan.site
    rules = Rules(site.id, site.key, site.settings, plan.options, plan.digest)
    if not jobs:
        for chunk in pieces:
            if chunk.lines:
                yield parse_chunk(rules, chunk)
            await asyncio.sleep(0)
        return
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), signal.signal, (signal.SIGINT, signal.SIG_IGN))
    waiting: deque[asyncio.Future[Parsed]] = deque()
    try:
        for chunk in pieces:
            if not chunk.lines:
                await asyncio.sleep(0)
                continue
            waiting.append(asyncio.wrap_future(pool.submit(parse_chunk, rules, chunk)))
            if len(waiting) >= jobs * CHUNKS_AHEAD:
                yield await waiting.popleft()
        while waiting:
            yield await waiting.popleft()
    except BrokenProcessPool as error:
        raise ReadersGoneError from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
