"""Requests that come whole, each in one piece, as nearly all do: one parser reads those of all connections.

A connection has a parser of its own, for what comes in pieces. A thousand of them do not fit into a
processor's cache beside all else that a request needs, so each would wait for memory; this one is at hand.
"""

from collections.abc import Callable
from typing import Final

from aiohttp import StreamReader
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParser, RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD

MOST_BYTES: Final = 8192
"""Of a request that is read here; a beacon has some hundred."""


class WholeRequests:
    """Reads whole requests, whoever sent them. Nothing that was read stays here for the next one.

    Args:
        make_parser: makes a parser that nobody else uses.
    """

    def __init__(self, make_parser: Callable[[], HttpRequestParser]) -> None:
        self._make_parser = make_parser
        self._parser = make_parser()

    def read(self, data: bytes) -> tuple[RawRequestMessage, bytes] | None:
        """Return the request that these bytes are, and its body; None if they are not exactly one.

        Whatever else they are, an error too, the connection's own parser finds out from the same bytes, to
        which one after which the connection ends is left as well.
        """
        head, end, rest = data.partition(b"\r\n\r\n")
        if not end or len(data) > MOST_BYTES:
            return None
        whole = None
        try:
            messages, _upgraded, _tail = self._parser.feed_data(data)
            if messages and _is_all(*messages[0], head, rest):
                whole = messages[0][0], rest
        except HttpProcessingError:
            pass
        finally:
            if whole is None:
                self._parser = self._make_parser()
        return whole


def body_of(payload: StreamReader) -> bytes | None:
    """Return a body if all of it is there, without reading it; None if some has still to come."""
    if payload is EMPTY_PAYLOAD:
        return b""
    return b"".join(payload._buffer) if payload.is_eof() else None  # noqa: SLF001 - it can be looked at nowhere else


def _is_all(message: RawRequestMessage, payload: StreamReader, head: bytes, rest: bytes) -> bool:
    """Tell whether a request has this head and this body, and nothing follows: its parser is where it began.

    Each of its lines but the first is a header; so no earlier line of what we take for the head has ended it.
    """
    return (
        not message.should_close
        and not message.upgrade
        and head.count(b"\n") == len(message.raw_headers)
        and body_of(payload) == rest
    )
