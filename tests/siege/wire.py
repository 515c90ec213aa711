"""A connection to the service as a proxy keeps one: many clients' requests, one behind the other."""

import asyncio
import json
import re
from collections.abc import Sequence
from types import TracebackType
from typing import NamedTuple, Self

from tests.siege.people import HOSTED, Hit

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_REASON = re.compile(rb"\r\ncounter-reason: *([a-z_]+)", re.IGNORECASE)


class Answer(NamedTuple):
    """What came back; `reason` is what the service says to the webmaster."""

    status: int
    reason: str
    body: bytes


class Wire:
    """Sends requests, several ahead of their answers if there are several."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.transport.abort()

    async def send(self, requests: Sequence[bytes]) -> list[Answer]:
        """Send requests, and return their answers."""
        self._writer.write(b"".join(requests))
        await self._writer.drain()
        return [await self._read() for _request in requests]

    async def _read(self) -> Answer:
        head = await self._reader.readuntil(b"\r\n\r\n")
        length, reason = _LENGTH.search(head), _REASON.search(head)
        body = await self._reader.readexactly(int(length[1])) if length else b""
        return Answer(int(head[9:12]), reason[1].decode() if reason else "", body)


def hit_request(hit: Hit, debug_key: str, token: str = "") -> bytes:
    """Return the request of a hit, as our proxy passes it on."""
    told = {"site": hit.site, "path": hit.path} | ({"token": token} if token else {})
    body = json.dumps(told).encode()
    origin = f"Origin: https://{hit.origin}\r\n" if hit.site == HOSTED else ""
    head = (
        f"POST /v1/hits?quiet=1&debug={debug_key} HTTP/1.1\r\nHost: counter\r\nContent-Type: text/plain\r\n"
        f"User-Agent: {hit.agent}\r\nX-Forwarded-For: {hit.address}\r\n{origin}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def get_request(address: str, client: str = "203.0.113.1") -> bytes:
    """Return the request of anything else."""
    return f"GET {address} HTTP/1.1\r\nHost: counter\r\nX-Forwarded-For: {client}\r\n\r\n".encode()
