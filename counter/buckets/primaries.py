"""Which server holds a lane at the moment, where that may change: in a cluster, or behind Sentinels."""

import asyncio
from collections import deque
from typing import Any, Final, Protocol

from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.sentinel import Sentinel
from redis.crc import key_slot

from counter.buckets.address import Account, Address
from counter.buckets.keys import LaneKeys

Node = tuple[str, int]
"""Host and port."""

ASK_SECONDS: Final = 1.0
"""How long one node may think about who holds what, before the next one is asked."""


class Primaries(Protocol):
    """Knows where writes to a lane go."""

    async def find(self, lane: LaneKeys) -> Node:
        """Return the server that holds a lane.

        Raises:
            redis.exceptions.ConnectionError: nobody who answers knows.
        """

    def doubt(self) -> None:
        """Ask again the next time: a server did not behave like a primary."""

    async def aclose(self) -> None:
        """Close what was opened to ask."""


class SentinelPrimaries:
    """Asks Sentinels for the one server that holds everything."""

    def __init__(self, address: Address) -> None:
        account = {"username": address.sentinel.username, "password": address.sentinel.password}
        self._service = address.service
        self._sentinels = Sentinel(  # type: ignore[no-untyped-call]
            list(address.nodes),
            sentinel_kwargs={**account, "ssl": address.tls, **_limits()},
        )
        self._clients = list(self._sentinels.sentinels)
        # The driver moves the Sentinel that answered to the front: two at once would lose one of them.
        self._asking = asyncio.Lock()

    async def find(self, lane: LaneKeys) -> Node:  # noqa: ARG002 - all lanes are on one server
        """Return the server that the Sentinels hold for the primary."""
        async with self._asking:
            host, port = await self._sentinels.discover_master(self._service)
        return str(host), int(port)

    def doubt(self) -> None:
        """Do nothing: each new connection asks anyway."""

    async def aclose(self) -> None:
        """Close the connections to the Sentinels."""
        for client in self._clients:
            await client.aclose()


class ClusterPrimaries:
    """Keeps the cluster's table of slots, and reads it again when it is in doubt."""

    def __init__(self, address: Address) -> None:
        self._account = address.account
        self._tls = address.tls
        self._nodes = deque(address.nodes)
        self._table: list[tuple[int, int, Node]] = []
        self._reading = asyncio.Lock()

    async def find(self, lane: LaneKeys) -> Node:
        """Return the server that holds the lane's slot."""
        slot = key_slot(lane.prefix.encode())
        async with self._reading:
            if not self._table:
                self._table = await self._read_table()
        for first, last, node in self._table:
            if first <= slot <= last:
                return node
        self.doubt()
        raise exceptions.ConnectionError(f"no node of the cluster holds the slot {slot}")

    def doubt(self) -> None:
        """Read the table again, of another node."""
        self._table = []
        self._nodes.rotate(-1)

    async def aclose(self) -> None:
        """Do nothing: each question is asked over a connection of its own."""

    async def _read_table(self) -> list[tuple[int, int, Node]]:
        for _node in range(len(self._nodes)):
            try:
                table = await self._ask(self._nodes[0])
            except (exceptions.RedisError, OSError):
                self._nodes.rotate(-1)
            else:
                self._nodes.extend({node for *_slots, node in table} - set(self._nodes))
                return table
        raise exceptions.ConnectionError("no node of the cluster answers")

    async def _ask(self, node: Node) -> list[tuple[int, int, Node]]:
        async with _client(node, self._account, tls=self._tls) as redis:
            slots: list[list[Any]] = await redis.execute_command("CLUSTER", "SLOTS")  # type: ignore[no-untyped-call]
        # A node that does not know its own name gives none: it is the one that we asked.
        return [
            (first, last, (primary[0].decode() if primary[0] else node[0], int(primary[1])))
            for first, last, primary, *_replicas in slots
        ]


def _client(node: Node, account: Account, *, tls: bool) -> Redis:
    host, port = node
    return Redis(
        host=host, port=port, username=account.username, password=account.password, ssl=tls, **_limits()
    )


def _limits() -> dict[str, Any]:
    return {"socket_timeout": ASK_SECONDS, "socket_connect_timeout": ASK_SECONDS, "protocol": 2}
