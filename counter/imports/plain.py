"""Lines of Apache's and nginx' formats with nothing unusual in them, as nearly all are, at a glance. Pure.

Their quotes cut such lines into columns all at once, and what clients, hours, requests and agents come to is
remembered, as the same ones come again and again. A line means what `parse_line` and `Chooser` make of it;
whatever cannot be told at a glance is left to them.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence, Sized
from typing import Final, Protocol, TypeVar

from counter.imports.chooser import Agent, Chooser, Page, Told, sender_of
from counter.imports.logs import LoggedRequest, parse_time

QUOTES: Final = 6
"""Around request, referer and agent; a log may have more of them behind these."""
COMMON_QUOTES: Final = 2
"""In the common format, which has no agents."""
NO_AGENT: Final = "\n"
"""Stands for the agent there; no line has it."""
LONGEST: Final = 600
"""Longer parts of lines are not remembered, so that they cannot fill the memory."""
REQUESTS: Final = 16_384
VISITORS: Final = 65_536
"""So many of each are remembered, some MB."""

_CLIENT: Final = re.compile(r"\n([^ \t\n\r\f\v]+) [^\[\n]*", re.ASCII)
_HOUR: Final = re.compile(r"\[(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:) ([+-]\d{4})\] ", re.ASCII)
_SECONDS: Final = {
    f"{minute:02}:{second:02}": (minute * 60 + second) * 1000 for minute in range(60) for second in range(61)
}
"""ms since the hour began; a leap second is the second after it."""

# Where the parts of a head stand, from its end: `[17/May/2015:10:` `05:03` ` +0000] `.
HOUR_BEGINS: Final = -29
HOUR_ENDS: Final = -13
ZONE_BEGINS: Final = -8
STATUS_DIGITS: Final = 3

Columns = tuple[list[str], list[str], list[str], list[str]]
"""Of some lines: a newline with all that stands before the request, the request, the status, the agent."""

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
        columns = _columns(lines, _quotes(lines[0].count(b'"')))
        if columns:
            self._read(columns, 0, takes)
            return
        counts = [line.count(b'"') for line in lines]
        quotes = _quotes(Counter(counts).most_common(1)[0][0])
        start = 0
        for odd, line in enumerate(lines):
            if counts[odd] != quotes or b"\\" in line:
                self._read_run(lines[start:odd], quotes, start, takes)
                takes.look(odd)
                start = odd + 1
        self._read_run(lines[start:], quotes, start, takes)

    def _read_run(self, lines: Sequence[bytes], quotes: int, start: int, takes: Takes) -> None:
        columns = _columns(lines, quotes)
        if columns:
            self._read(columns, start, takes)
        else:
            for place in range(start, start + len(lines)):
                takes.look(place)

    def _read(self, columns: Columns, start: int, takes: Takes) -> None:
        """Read lines that were cut into columns; the first one stands at `start`."""
        senders, hours, pages, agents = self._senders, self._hours, self._pages, self._agents
        visitors, chooser = self._visitors, self._chooser
        for place, (head, request, status, text) in enumerate(zip(*columns, strict=True), start):
            sender = senders[head[:HOUR_BEGINS]]
            begin_ms = hours[head[HOUR_BEGINS:HOUR_ENDS] + head[ZONE_BEGINS:]]
            after_ms = _SECONDS.get(head[HOUR_ENDS:ZONE_BEGINS])
            page = pages[request + status]
            if sender is None or begin_ms is None or after_ms is None or page is None:
                takes.look(place)
                continue
            path, reason = page
            if reason:
                takes.reasons.append(reason)
                continue
            at_ms, agent = begin_ms + after_ms, agents[text]
            if chooser.may_refuse and (reason := chooser.refuse(at_ms, agent)):
                takes.reasons.append(reason)
            elif agent.is_bot:
                takes.hits.append((at_ms, None, ""))
            else:
                takes.hits.append((at_ms, visitors[sender, agent], path))

    def _page(self, told: str) -> Page | None:
        request, status = told[:-STATUS_DIGITS], told[-STATUS_DIGITS:]
        if not (status.isascii() and status.isdigit()):
            return None
        return self._chooser.page_of(LoggedRequest.of("", 0, request, status, None))

    def _agent(self, text: str) -> Agent:
        return self._chooser.agent_of(None if text == NO_AGENT else "" if text == "-" else text)

    def _visitor(self, whose: tuple[bytes, Agent]) -> bytes:
        return self._chooser.visitor_of(*whose)


def _quotes(counted: int) -> int:
    """Return how many quotes the lines of a log have if most have `counted`."""
    return counted if counted == COMMON_QUOTES or counted > QUOTES else QUOTES


def _columns(lines: Sequence[bytes], quotes: int) -> Columns | None:
    """Cut lines into columns if all of them have the same parts, else return None."""
    text = b"\n".join((b"", *lines, b"")).decode("utf-8", "surrogateescape")
    parts = text.split('"')
    if len(parts) != len(lines) * quotes + 1 or "\\" in text:
        return None
    if quotes == COMMON_QUOTES:
        # What is behind a request goes to the end of its line, and stands in one part with the next head.
        figures = [part[: part.find("\n")] + " " for part in parts[2::quotes]]
        agents = [NO_AGENT] * len(lines)
    else:
        figures, agents = parts[2::quotes], parts[5::quotes]
        if parts[4::quotes].count(" ") != len(lines):
            return None
    heads, statuses = _heads(parts[:-1:quotes]), _statuses(figures)
    return (heads, parts[1::quotes], statuses, agents) if heads and statuses else None


def _heads(parts: list[str]) -> list[str]:
    """Return what stands before the requests, without the end of another line; nothing if lines are mixed up.

    There is one newline more than there are lines, at the end; so if each of these parts has one, it has one
    only.
    """
    places = [part.find("\n") for part in parts]
    if -1 in places:
        return []
    return [part[place:] for part, place in zip(parts, places, strict=True)] if any(places) else parts


def _statuses(figures: list[str]) -> list[str]:
    """Return the statuses of ` 200 12 ` and so on; nothing if one of these is something else."""
    # Each makes three words, of which the first one is empty, before the first word of the next one.
    words = "".join(figures).split(" ")
    statuses, sizes = words[1::3], words[2::3]
    is_plain = (
        len(words) == len(figures) * 3 + 1
        and words[::3].count("") == len(figures) + 1
        and set(map(len, statuses)) == {STATUS_DIGITS}
        and "" not in sizes
        and "".join(sizes).replace("-", "0").isdigit()
    )
    return statuses if is_plain else []


def _sender(told: str) -> bytes | None:
    found = _CLIENT.fullmatch(told)
    return sender_of(found[1]) if found else None


def _begin_ms(told: str) -> int | None:
    found = _HOUR.fullmatch(told)
    return parse_time(f"{found[1]}00:00 {found[2]}") if found else None
