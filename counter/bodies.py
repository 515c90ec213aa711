"""The bodies of beacons: read at once, in time, and no more of them than a beacon has."""

import asyncio
from functools import lru_cache
from typing import Final

from aiohttp import web
from aiohttp.hdrs import CONTENT_ENCODING, CONTENT_TYPE

from counter.asked import Asked
from counter.errors import InvalidInputError, TooLargeError

BODY_SECONDS: Final = 10.0
_BODY_TYPES: Final = frozenset({"text/plain", "application/json", "application/octet-stream"})


async def read_body(request: web.Request, limit: int) -> bytes:
    """Return the body of a beacon.

    Raises:
        TooLargeError: it has more than `limit` bytes.
        SlowBodyError: it does not come.
        InvalidInputError: it is of a type that no beacon has, or compressed.
    """
    if not may_be_beacon(request):
        raise UnsupportedBodyError
    content = request.content
    body = content.read_nowait(limit + 1)  # it mostly comes with the head
    if not content.at_eof() and len(body) <= limit:
        if (request.content_length or 0) > limit:
            raise TooLargeError
        body += await _read_on(request, limit + 1 - len(body))
    if len(body) > limit:
        raise TooLargeError
    return body


def may_be_beacon(asked: Asked) -> bool:
    """Tell whether the body of a request is of a type that beacons have, and not compressed."""
    headers = asked.headers
    return _is_body_type(headers.get(CONTENT_TYPE, "")) and CONTENT_ENCODING not in headers


@lru_cache(maxsize=256)
def _is_body_type(content_type: str) -> bool:
    """Tell whether a beacon may be of a type; without any it is a string of bytes (RFC 9110, 8.3)."""
    name = content_type.partition(";")[0].strip().lower() if content_type else "application/octet-stream"
    return name in _BODY_TYPES


async def _read_on(request: web.Request, most: int) -> bytes:
    body = b""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while len(body) < most and not request.content.at_eof():
                body += await request.content.read(most - len(body))
    except TimeoutError as error:
        raise SlowBodyError from error
    return body


class SlowBodyError(InvalidInputError):
    """A beacon is sent at once."""

    status = 408
    kind = "slow-body"


class UnsupportedBodyError(InvalidInputError):
    """A beacon's body is text/plain or JSON, not compressed."""

    status = 415
    kind = "unsupported-body"
