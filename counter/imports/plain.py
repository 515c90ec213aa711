"""Lines of the combined format with nothing unusual in them, as nearly all are: read at a glance. Pure.

Six quotes cut such lines into columns all at once, and what clients, hours, requests and agents come to is
remembered, as the same ones come again and again. A line means what `parse_line` and `Chooser` make of it;
whatever cannot be told at a glance is left to them.
"""

import re
from collections.abc import Callable, Sequence, Sized
from typing import Final, Protocol, TypeVar

from counter.imports.chooser import Agent, Chooser, Page, Told, sender_of
from counter.imports.logs import LoggedRequest, parse_time

QUOTES: Final = 6
LONGEST: Final = 600
"""Longer parts of lines are not remembered, so that they cannot fill the memory."""
REQUESTS: Final = 16_384
VISITORS: Final = 65_536
"""So many of each are remembered, some MB."""

_CLIENT: Final = re.compile(r"\n([^ \t\n\r\f\v]+) [^\[\n]*", re.ASCII)
_HOUR: Final = re.compile(r"\[(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:) ([+-]\d{4})\] ", re.ASCII)
_STATUS: Final = re.compile(r" (\d{3}) ", re.ASCII)
_SECONDS: Final = {
    f"{minute:02}:{second:02}": (minute * 60 + second) * 1000 for minute in range(60) for second in range(61)
}
"""ms since the hour began; a leap second is the second after it."""

# Where the parts of a head stand, from its end: `[17/May/2015:10:` `05:03` ` +0000] `; and of ` 200 12 `.
HOUR_BEGINS: Final = -29
HOUR_ENDS: Final = -13
ZONE_BEGINS: Final = -8
STATUS_ENDS: Final = 5

K = TypeVar("K", bound=Sized)
V = TypeVar("V")


class Remembered(dict[K, V]):
    """What was found for each key; when there are too many, all are forgotten."""

    def __init__(self, find: Callable[[K], V], most: int) -> None:
        super().__init__()
        self._find = find
        self._most = most

    def __missing__(self, key: K) -> V:
        if len(self) >= self._most:
            self.clear()
        found = self._find(key)
        if len(key) <= LONGEST:
            self[key] = found
        return found


class Takes(Protocol):
    """Gets what is read, in the order of the lines.

    Attributes:
        hits: of those lines that count.
        reasons: why others do not.
    """

    hits: list[Told]
    reasons: list[str]

    def look(self, place: int) -> None:
        """Look properly at a line that is not plain."""


class PlainReader:
    """Reads plain lines, and judges them as a `Chooser` does."""

    def __init__(self, chooser: Chooser) -> None:
        self._chooser = chooser
        self._senders = Remembered(_sender, VISITORS)
        self._hours = Remembered(_begin_ms, REQUESTS)
        self._pages = Remembered(self._page, REQUESTS)
        self._agents = Remembered(self._agent, REQUESTS)
        self._visitors = Remembered(self._visitor, VISITORS)

    def read(self, lines: Sequence[bytes], takes: Takes) -> None:
        """Read lines; those that are not plain are looked at by `takes`."""
        start = 0
        for odd in _odd(lines):
            self._read(lines[start:odd], start, takes)
            takes.look(odd)
            start = odd + 1
        self._read(lines[start:], start, takes)

    def _read(self, lines: Sequence[bytes], start: int, takes: Takes) -> None:
        """Read lines that have six quotes each and no escapes; the first one stands at `start`."""
        parts = b"\n".join((b"", *lines)).decode("utf-8", "surrogateescape").split('"')
        columns = (parts[column::QUOTES] for column in (0, 1, 2, 4, 5))
        senders, hours, pages, agents = self._senders, self._hours, self._pages, self._agents
        visitors, refuse = self._visitors, self._chooser.refuse
        for place, (head, request, figures, between, text) in enumerate(zip(*columns, strict=False), start):
            if head[0] != "\n":
                head = head[head.index("\n") :]  # noqa: PLW2901 - before it is the end of another line
            sender = senders[head[:HOUR_BEGINS]]
            begin_ms = hours[head[HOUR_BEGINS:HOUR_ENDS] + head[ZONE_BEGINS:]]
            after_ms = _SECONDS.get(head[HOUR_ENDS:ZONE_BEGINS])
            page = pages[request + figures[:STATUS_ENDS]]
            if (
                sender is None or begin_ms is None or after_ms is None or page is None
                or between != " " or figures[-1:] != " " or not figures[STATUS_ENDS:-1].isdigit()
            ):  # fmt: skip
                takes.look(place)
                continue
            path, reason = page
            if reason:
                takes.reasons.append(reason)
                continue
            at_ms, agent = begin_ms + after_ms, agents[text]
            if reason := refuse(at_ms, agent):
                takes.reasons.append(reason)
            elif agent.is_bot:
                takes.hits.append((at_ms, None, ""))
            else:
                takes.hits.append((at_ms, visitors[sender, agent], path))

    def _page(self, spelt: str) -> Page | None:
        request, status = spelt[:-STATUS_ENDS], _STATUS.fullmatch(spelt[-STATUS_ENDS:])
        return self._chooser.page_of(LoggedRequest.of("", 0, request, status[1], None)) if status else None

    def _agent(self, text: str) -> Agent:
        return self._chooser.agent_of("" if text == "-" else text)

    def _visitor(self, whose: tuple[bytes, Agent]) -> bytes:
        return self._chooser.visitor_of(*whose)


def _odd(lines: Sequence[bytes]) -> list[int]:
    """Return where lines stand that have another number of quotes, or escapes."""
    quotes = [line.count(b'"') for line in lines]
    if quotes.count(QUOTES) == len(lines) and b"\\" not in b"".join(lines):
        return []
    return [place for place, line in enumerate(lines) if quotes[place] != QUOTES or b"\\" in line]


def _sender(told: str) -> bytes | None:
    found = _CLIENT.fullmatch(told)
    return sender_of(found[1]) if found else None


def _begin_ms(told: str) -> int | None:
    found = _HOUR.fullmatch(told)
    return parse_time(f"{found[1]}00:00 {found[2]}") if found else None
