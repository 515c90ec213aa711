"""How far the counting of a log is: all that is needed to go on, and the same as bytes.

The bytes hold ids of visitors and pages, but no address, no agent, and no word of a line: of malformed lines
the numbers alone. The pages of a day are places in a list of all paths, as the same ones come every day.
"""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Final, NamedTuple

import msgspec

from counter.errors import ImportFileError
from counter.imports.chooser import Told
from counter.imports.counting import DayCounts, LogCounts
from counter.imports.order import Window
from counter.imports.parsing import Example, Parsed
from counter.imports.tally import Tally
from counter.imports.visitors import Seen, Sketch
from counter.sites.model import Site


class State:
    """What was counted of a log so far.

    Attributes:
        sketches: of days, as far as Redis was asked.
        due: visitors who are in no sketch yet; it is harmless if they are.
        is_whole: false while a part is being counted.
    """

    def __init__(self, site: Site) -> None:
        self.tally = Tally()
        self.window = Window()
        self.counts = LogCounts(site)
        self.sketches: dict[date, Sketch] = {}
        self.due: list[Seen] = []
        self.is_whole = True

    def take(self, parsed: Parsed) -> None:
        """Count what a chunk holds."""
        self.is_whole = False
        self.tally.add(parsed)
        self._count(self.window.take(parsed.hits))
        self.due += self.counts.visitors.due()
        self.is_whole = True

    def finish(self) -> None:
        """Count what is held back; there are no more lines."""
        self.is_whole = False
        self._count(self.window.rest())
        self.due += self.counts.visitors.rest()
        self.is_whole = True

    def _count(self, hits: list[Told]) -> None:
        self.tally.watch(hits)
        self.counts.take(hits)


class _Head(NamedTuple):
    """All but the days; `days` of them follow."""

    days: int
    figures: tuple[int, int, int, int, int, int]
    examples: list[int]
    skipped: dict[str, int]
    held: list[Told]
    last_ms: dict[bytes, int]
    most_seen: int
    day: date
    seen: list[bytes]
    exact: dict[date, int | None]
    due: list[Seen]


class _Day(NamedTuple):
    """A day, whose pages are places among the paths of all days; `paths` are those that are new."""

    day: date
    bots: int
    hour_views: list[int]
    hour_visits: list[int]
    paths: list[str]
    places: list[int]
    views: list[int]
    sketch: Sketch | None


class _Places(dict[str, int]):
    """Path → its place, given to it when it is asked for first."""

    def __missing__(self, path: str) -> int:
        place = self[path] = len(self)
        return place


_HEAD: Final = msgspec.msgpack.Decoder(_Head)
_DAY: Final = msgspec.msgpack.Decoder(_Day)


def pack(state: State) -> Iterator[bytes]:
    """Yield a state in pieces: the head, then each day."""
    encode = msgspec.msgpack.Encoder().encode
    yield encode(_head_of(state))
    places = _Places()
    for day, counted in state.counts.days.items():
        known = len(places)
        of_pages = list(map(places.__getitem__, counted.pages))
        # What is new has come to the end.
        new = [path for path, place in zip(counted.pages, of_pages, strict=True) if place >= known]
        yield encode(
            _Day(
                day,
                counted.bots,
                counted.hour_views,
                counted.hour_visits,
                new,
                of_pages,
                list(counted.pages.values()),
                state.sketches.get(day),
            )
        )


def _head_of(state: State) -> _Head:
    tally, counts, visitors = state.tally, state.counts, state.counts.visitors
    return _Head(
        days=len(counts.days),
        figures=(tally.lines, tally.views, tally.bots, tally.late, tally.malformed, tally.newest_ms),
        examples=[example.number for example in tally.examples],
        skipped=dict(tally.skipped),
        held=state.window.held,
        last_ms=counts.last_ms,
        most_seen=counts.most_seen,
        day=visitors.day,
        seen=list(visitors.seen),
        exact=visitors.days,
        due=state.due,
    )


def unpack(pieces: Iterable[bytes], site: Site) -> State:
    """Return the state whose pieces these are; the texts of its examples are empty.

    Raises:
        ImportFileError: they are those of none.
    """
    parts, state, paths = iter(pieces), State(site), list[str]()
    try:
        head = _HEAD.decode(next(parts, b""))
        _restore(state, head)
        for piece in parts:
            _add_day(state, paths, _DAY.decode(piece))
    except (msgspec.MsgspecError, IndexError, ValueError) as error:
        raise ImportFileError("it is damaged") from error
    if len(state.counts.days) != head.days:
        raise ImportFileError("a part of it is missing")
    return state


def _restore(state: State, head: _Head) -> None:
    tally, counts, visitors = state.tally, state.counts, state.counts.visitors
    tally.lines, tally.views, tally.bots, tally.late, tally.malformed, tally.newest_ms = head.figures
    tally.examples = [Example(number, "") for number in head.examples]
    tally.skipped.update(head.skipped)
    state.window.held = head.held
    counts.last_ms, counts.most_seen = head.last_ms, head.most_seen
    visitors.day, visitors.seen, visitors.days = head.day, dict.fromkeys(head.seen), head.exact
    state.due = head.due


def _add_day(state: State, paths: list[str], day: _Day) -> None:
    paths += day.paths
    pages = dict(zip(map(paths.__getitem__, day.places), day.views, strict=True))
    state.counts.days[day.day] = DayCounts(day.bots, day.hour_views, day.hour_visits, pages)
    if day.sketch:
        state.sketches[day.day] = day.sketch
