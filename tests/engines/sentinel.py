"""A master with two replicas, and three sentinels that choose another master when it is gone."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from counter.embedded.wheels import valkey_server
from tests.engines.server import Server, ServerSet, free_ports

NAME = "counter"
REPLICAS = 2
SENTINELS = 3
QUORUM = 2
DOWN_AFTER_MS = 1000
FAILOVER_TIMEOUT_MS = 3000
_PACE_MS = {
    "ping-period": 200,
    "info-period": 500,
    "publish-period": 250,
    "ask-period": 250,
    "tilt-period": 2000,
}
"""How often a sentinel looks and tells; as shipped it takes up to ten seconds to notice who is back."""


_TROUBLES = frozenset({"s_down", "o_down", "disconnected", "failover_in_progress"})


class _Configured(Server):
    """A server with a file of settings, which it or a sentinel rewrites, so that a role survives its end."""

    def __init__(self, data_dir: Path, *, port: int, settings: Sequence[str] = ()) -> None:
        super().__init__(data_dir, port=port)
        self._settings = settings
        self._file = self.data_dir / "server.conf"

    async def _prepare(self) -> None:
        await super()._prepare()
        if not self._file.exists():
            self._file.write_text("\n".join([*self._settings, ""]), encoding="utf-8")


class Node(_Configured):
    """A server that holds data: the master or a replica."""

    label = "Valkey under sentinels"

    def _command(self) -> list[str]:
        program, *settings = super()._command()
        return [program, str(self._file), *settings, "--repl-diskless-sync-delay", "0"]


class Sentinel(_Configured):
    """One of those who watch."""

    label = "Valkey Sentinel"

    def _command(self) -> list[str]:
        where = {"dir": self.data_dir, "bind": "127.0.0.1", "port": self.port}
        places = {**where, "unixsocket": self._sockets / "valkey.sock", "unixsocketperm": "700"}
        pairs = (word for name, value in places.items() for word in (f"--{name}", str(value)))
        return [str(valkey_server()), str(self._file), *pairs, "--sentinel"]

    async def start(self) -> None:
        """Start it, and let it look more often than it does as shipped."""
        await super().start()
        for name, period_ms in _PACE_MS.items():
            await self.ask("SENTINEL", "DEBUG", name, period_ms)

    async def watched(self) -> dict[str, str]:
        """Return what it believes of the master."""
        return _pairs(await self.ask("SENTINEL", "MASTER", NAME))

    async def companions(self) -> list[dict[str, str]]:
        """Return what it believes of the replicas and of the other sentinels."""
        found = [await self.ask("SENTINEL", those, NAME) for those in ("REPLICAS", "SENTINELS")]
        return [_pairs(one) for those in found for one in those]


class Sentinels(ServerSet):
    """Three servers with data and three sentinels on loopback ports.

    Args:
        down_after_ms: how long the master may be silent before a sentinel calls it down.
        failover_timeout_ms: how long an attempt may take; after twice that the next one is made.
    """

    kind = "sentinel-set"

    def __init__(
        self, *, down_after_ms: int = DOWN_AFTER_MS, failover_timeout_ms: int = FAILOVER_TIMEOUT_MS
    ) -> None:
        super().__init__()
        first, *ports = free_ports(1 + REPLICAS + SENTINELS)
        follow = [f"replicaof 127.0.0.1 {first}"]
        watch = [
            f"sentinel monitor {NAME} 127.0.0.1 {first} {QUORUM}",
            f"sentinel down-after-milliseconds {NAME} {down_after_ms}",
            f"sentinel failover-timeout {NAME} {failover_timeout_ms}",
            f"sentinel parallel-syncs {NAME} {REPLICAS}",
        ]
        self.nodes: list[Node] = [Node(self.folder / "node-1", port=first)]
        for number, port in enumerate(ports[:REPLICAS], start=2):
            self.nodes.append(Node(self.folder / f"node-{number}", port=port, settings=follow))
        self.sentinels = [
            Sentinel(self.folder / f"sentinel-{number}", port=port, settings=watch)
            for number, port in enumerate(ports[REPLICAS:], start=1)
        ]

    @property
    def servers(self) -> Sequence[Server]:
        """The servers with data, then the sentinels."""
        return [*self.nodes, *self.sentinels]

    @property
    def data_servers(self) -> Sequence[Server]:
        """The master and the replicas."""
        return self.nodes

    @property
    def url(self) -> str:
        """All sentinels and the name: `redis+sentinel://127.0.0.1:s1,127.0.0.1:s2,127.0.0.1:s3/counter`."""
        return f"redis+sentinel://{','.join(f'127.0.0.1:{one.port}' for one in self.sentinels)}/{NAME}"

    async def master(self) -> Node:
        """Return the master of the newest choice that an answering sentinel knows of."""
        newest = max(await self._watched(), key=lambda master: int(master["config-epoch"]))
        return self._node(newest)

    async def masters(self) -> list[Server]:
        """Return the one master."""
        return [await self.master()]

    async def replicas(self) -> list[Node]:
        """Return the other servers with data that answer."""
        master = await self.master()
        return [node for node in self.nodes if node is not master and node.answering]

    async def kill_master(self) -> Node:
        """End the master as `kill -9` does, and return it."""
        master = await self.master()
        master.kill()
        return master

    async def wait_until_ok(self) -> None:
        """Wait until the sentinels that answer agree on a living master, and no failover is under way."""
        await self.until(self._is_ok, "come to an agreement on a living master")

    async def heal(self) -> None:
        """Bring every server back, and wait until both replicas have all of the master's data."""
        await self._bring_back()
        await self.until(self._is_whole, "become whole again")

    async def failover(self) -> Node:
        """Have a replica take the healthy master's place without losing a write, and return the new master."""
        former = await self.master()
        sentinel = next(one for one in self.sentinels if one.answering)

        async def replaced() -> bool:
            if await self.master() is former:
                # It is refused while one is under way, and as long as no replica is known to be well.
                await sentinel.ask("SENTINEL", "FAILOVER", NAME, "COORDINATED")
            return await self._is_ok()

        await self.until(replaced, f"replaced {former}")
        return await self.master()

    async def _form(self) -> None:
        await self.until(self._is_whole, "formed")

    async def _is_ok(self) -> bool:
        watched = await self._watched()
        if len({(one["port"], one["config-epoch"]) for one in watched}) != 1 or any(
            map(_in_trouble, watched)
        ):
            return False
        master = self._node(watched[0])
        return master.answering and (await master.ask("ROLE"))[0] == "master"

    async def _is_whole(self) -> bool:
        if not all(one.answering for one in self.servers) or not await self._is_ok():
            return False
        for sentinel in self.sentinels:
            companions = await sentinel.companions()
            if len(companions) != REPLICAS + SENTINELS - 1 or any(map(_in_trouble, companions)):
                return False
        master = await self.master()
        roles = [await node.ask("ROLE") for node in self.nodes if node is not master]
        return all(_follows(role, master) for role in roles)

    async def _watched(self) -> list[dict[str, str]]:
        answering = [one for one in self.sentinels if one.answering]
        return list(await asyncio.gather(*(one.watched() for one in answering)))

    def _node(self, watched: dict[str, str]) -> Node:
        return next(node for node in self.nodes if node.port == int(watched["port"]))


def _pairs(answer: Sequence[str]) -> dict[str, str]:
    return dict(zip(answer[::2], answer[1::2], strict=True))


def _in_trouble(believed: dict[str, str]) -> bool:
    return "failover-state" in believed or not _TROUBLES.isdisjoint(believed["flags"].split(","))


def _follows(role: Sequence[Any], master: Node) -> bool:
    return role[0] == "slave" and int(role[2]) == master.port and role[3] == "connected"
