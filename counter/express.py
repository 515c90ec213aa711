"""The short way of the few requests that most requests are, past aiohttp's tasks, router and middlewares.

They are answered as soon as they are read, or as their batch is written.

    bytes ──► aiohttp's parser ──► Express ──┬── one of its routes, nothing to wait for but a batch ──► Ready
                                             └── anything else, errors too ──► aiohttp and the application

The parser is that of whole.py, which all connections share, or for what comes in pieces a connection's own.

What is answered is the same on both ways; tests/acceptance/test_express.py asks on both.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

import msgspec
import structlog
from aiohttp import HttpVersion11, StreamReader
from aiohttp.hdrs import EXPECT
from aiohttp.http_parser import HttpRequestParser, RawRequestMessage
from multidict import CIMultiDictProxy
from prometheus_client import Histogram

from counter.asked import Reply, Short
from counter.errors import CounterError
from counter.http import API_PREFIX, PROCESS, REQUEST_ID, next_request
from counter.ready import EMPTY, Ready
from counter.whole import body_of

SITE: Final = "{site}"

log = structlog.get_logger(__name__)


class Arrived(msgspec.Struct, frozen=True, gc=False):
    """A request without its body."""

    headers: CIMultiDictProxy[str]
    remote: str | None
    raw_path: str


class Found(NamedTuple):
    """A route, and the site in the address that led to it, if there is one."""

    route: Short
    site: str = ""


class Express:
    """Knows the routes that have a short way.

    Args:
        routes: of the interface.
        prefix: of the operator's own, under which they are found a second time.
        seconds: takes the time of each request, by route and status.
        always: headers of every answer.
    """

    def __init__(
        self,
        routes: Iterable[Short],
        seconds: Histogram,
        prefix: str = API_PREFIX,
        always: Mapping[str, str] = EMPTY,
    ) -> None:
        self._plain: dict[tuple[str, str], Found] = {}
        self._of_sites: dict[tuple[str, str, str], Found] = {}
        self._seconds = seconds
        self._clocks: dict[tuple[str, int], Histogram] = {}
        lines = "".join(f"\r\n{name}: {value}" for name, value in always.items()).replace("%", "%%")
        self._tail = f"\r\n{REQUEST_ID}: {PROCESS}%08x{lines}".encode()
        for route in routes:
            for way in {API_PREFIX, prefix}:
                self._add(route._replace(path=way + route.path.removeprefix(API_PREFIX)))

    def find(self, message: RawRequestMessage) -> Found | None:
        """Return the route of a request, None if it has to go the long way."""
        path = message.path.partition("?")[0]
        found = self._plain.get((message.method, path)) or self._find_of_site(message.method, path)
        if found is None or message.should_close or message.upgrade or message.version != HttpVersion11:
            return None
        # Who expects an answer before sending the body is answered by aiohttp.
        return None if EXPECT in message.headers else found

    def handle(
        self, found: Found, message: RawRequestMessage, remote: str | None, body: bytes, reply: Reply
    ) -> bool:
        """Answer a request and return True, or return False if it has to go the long way.

        Args:
            found: its route.
            message: the request.
            remote: who is connected.
            body: all of it.
            reply: takes the answer, before this returns or later.
        """
        route = found.route
        try:
            return route.handler(Arrived(message.headers, remote, message.path), found.site, body, reply)
        except CounterError:
            return False
        except Exception:
            log.exception("short way broke", path_template=route.path)
            return False

    def finish(self, route: Short, answer: Ready, seconds: float) -> None:
        """Complete the head of an answer, which took so long."""
        answer.tail = self._tail % next_request()
        self._clock(route.path, answer.status).observe(seconds)

    def _add(self, route: Short) -> None:
        before, site, after = route.path.partition(SITE)
        if site:
            self._of_sites[route.method, before, after] = Found(route)
        else:
            self._plain[route.method, before] = Found(route)

    def _find_of_site(self, method: str, path: str) -> Found | None:
        before, _, rest = path.partition("/sites/")
        key, slash, last = rest.partition("/")
        found = self._of_sites.get((method, before + "/sites/", slash + last))
        return Found(found.route, key) if found and key and "%" not in key else None

    def _clock(self, name: str, status: int) -> Histogram:
        clock = self._clocks.get((name, status))
        if clock is None:
            clock = self._clocks[name, status] = self._seconds.labels(name, str(status))
        return clock


class Siding:
    """Stands between aiohttp and a connection's own parser, and takes out what goes the short way.

    Attributes:
        left: how many requests aiohttp has still to answer.
        passes: whether the request that is parsed next has no short way, as was found out already.
    """

    __slots__ = ("_parser", "_take", "left", "message_consumed", "passes", "pause_reading", "set_upgraded")

    def __init__(
        self,
        parser: HttpRequestParser,
        take: Callable[[RawRequestMessage, bytes], bool],
    ) -> None:
        self.left = 0
        self.passes = False
        self._parser = parser
        self._take = take
        self.message_consumed = parser.message_consumed
        self.pause_reading = parser.pause_reading
        self.set_upgraded = parser.set_upgraded

    def feed_data(self, data: bytes) -> tuple[list[tuple[RawRequestMessage, StreamReader]], bool, bytes]:
        """Parse, and return what is left for aiohttp."""
        messages, upgraded, tail = self._parser.feed_data(data)
        # What aiohttp has still to answer goes before.
        if len(messages) == 1 and not self.left and not self.passes:
            message, payload = messages[0]
            body = body_of(payload)
            if body is not None and self._take(message, body):
                self.message_consumed()
                return [], upgraded, tail
        self.left += len(messages)
        self.passes = False
        return messages, upgraded, tail
