"""Answers that are given thousands of times a second: their heads are bytes that were put together before.

aiohttp writes each header of each answer anew, which takes longer than counting a hit does.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

from aiohttp import web

from counter.clock import system_clock

EMPTY: Final[Mapping[str, str]] = MappingProxyType({})
SERVER: Final = "counter"
"""Versions would only help those who look for a known hole."""
_BODYLESS: Final = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})


@dataclass(frozen=True, slots=True)
class Head:
    """The part of an answer's head that stays the same.

    Attributes:
        status: of the answer.
        headers: but for Date, Server, Content-Length and Connection.
    """

    status: int
    headers: Mapping[str, str]
    encoded: bytes = field(init=False)
    has_body: bool = field(init=False)

    def __post_init__(self) -> None:
        lines = [f"HTTP/1.1 {int(self.status)} {HTTPStatus(self.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in {**self.headers, "Server": SERVER}.items()]
        object.__setattr__(self, "has_body", self.status not in _BODYLESS)
        object.__setattr__(self, "encoded", "\r\n".join(lines).encode())


class Ready(web.StreamResponse):
    """An answer of which only body, date and a few further headers are its own.

    It is an answer to aiohttp, which never gets to write it: on the short way `Connection` does, and on the
    long one the outermost middleware takes `response()` instead.

    Args:
        head: what it shares with others.
        body: empty where the status has none.
        more: further headers of this very answer.

    Attributes:
        tail: lines that whoever sends it adds to the head, each after a line break.
    """

    def __init__(self, head: Head, body: bytes = b"", more: Mapping[str, str] = EMPTY) -> None:
        # Not the constructor of aiohttp, which makes a dictionary of headers.
        self.head = head
        self.body = body
        self.more = more
        self.tail = b""
        self._keep_alive = True

    @property
    def status(self) -> int:
        """Of the answer."""
        return self.head.status

    @property
    def keep_alive(self) -> bool:
        """Whether the connection goes on after it."""
        return bool(self._keep_alive)

    def encode(self) -> bytes:
        """Return all bytes of the answer, for HTTP/1.1."""
        lines = [self.head.encoded, _date_line(), self.tail]
        if self.more:
            lines += [f"\r\n{name}: {value}".encode() for name, value in self.more.items()]
        if not self._keep_alive:
            lines.append(b"\r\nConnection: close")
        if self.head.has_body:
            lines.append(b"\r\nContent-Length: %d" % len(self.body))
        lines += (b"\r\n\r\n", self.body)
        return b"".join(lines)

    def response(self) -> web.Response:
        """Return the same answer for aiohttp to write."""
        answer = web.Response(status=self.status, headers={**self.head.headers, **self.more})
        if self.head.has_body:
            answer.body = self.body
        return answer


class _Date:
    """The Date header, written once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._line = b""

    def __call__(self) -> bytes:
        second = system_clock() // 1000
        if second != self._second:
            self._second = second
            self._line = f"\r\nDate: {formatdate(second, usegmt=True)}".encode()
        return self._line


_date_line: Final = _Date()
