"""A Valkey Cluster: three masters, and a replica of each."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from tests.engines.server import Server, ServerSet, free_ports

MASTERS = 3
NODE_TIMEOUT_MS = 1500
_KEYS_AT_ONCE = 100
_MIGRATE_MS = 5000


class Node(Server):
    """A server of the cluster."""

    label = "Valkey of the cluster"


@dataclass(frozen=True)
class Member:
    """What one node believes of one node.

    Attributes:
        epoch: the version of its claim to its slots; of two claims the higher one holds.
        slots: ranges, as `0-5460`.
    """

    id: str
    port: int
    flags: frozenset[str]
    master_id: str
    epoch: int
    linked: bool
    slots: tuple[str, ...]
    open_slots: tuple[str, ...]

    @classmethod
    def read(cls, line: str) -> Self:
        """Read one line of `CLUSTER NODES`."""
        name, address, flags, master, _ping, _pong, epoch, link, *slots = line.split()
        return cls(
            id=name,
            port=int(address.partition("@")[0].rpartition(":")[2]),
            flags=frozenset(flags.split(",")),
            master_id=master,
            epoch=int(epoch),
            linked=link == "connected",
            slots=tuple(one for one in slots if not one.startswith("[")),
            open_slots=tuple(one[1:].partition("-")[0] for one in slots if one.startswith("[")),
        )

    @property
    def is_master(self) -> bool:
        """Whether it is a master, with slots or without."""
        return "master" in self.flags

    @property
    def well(self) -> bool:
        """Whether nothing is said against it."""
        return self.linked and not self.flags & {"fail", "fail?", "handshake", "noaddr"}

    @property
    def owned(self) -> int:
        """The number of its slots."""
        return sum(last - first + 1 for first, last in map(_ends, self.slots))

    def serves(self, slot: int) -> bool:
        """Whether the slot is one of its own."""
        return any(first <= slot <= last for first, last in map(_ends, self.slots))


class Cluster(ServerSet):
    """Six nodes on loopback ports.

    A lost master takes its own slots away until its replica takes over, and the other masters go on
    (`cluster-require-full-coverage no`): one machine's end does not stop the count of every site.

    Args:
        node_timeout_ms: how long a node may be silent before the others call it dead.
    """

    kind = "cluster"

    def __init__(self, *, node_timeout_ms: int = NODE_TIMEOUT_MS) -> None:
        super().__init__()
        ports = free_ports(4 * MASTERS)
        self.nodes = [
            Node(
                self.folder / f"node-{number}",
                port=port,
                options=_options(bus_port=bus_port, node_timeout_ms=node_timeout_ms),
            )
            for number, (port, bus_port) in enumerate(zip(ports[::2], ports[1::2], strict=True), start=1)
        ]
        self._bus_ports = ports[1::2]

    @property
    def servers(self) -> Sequence[Server]:
        """The nodes."""
        return self.nodes

    @property
    def data_servers(self) -> Sequence[Server]:
        """All of them."""
        return self.nodes

    @property
    def url(self) -> str:
        """Three of the nodes as seeds: `redis+cluster://127.0.0.1:p1,127.0.0.1:p2,127.0.0.1:p3`."""
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes[:MASTERS])

    async def masters(self) -> list[Node]:
        """Return the nodes that own slots."""
        members = await self._newest()
        return [self._node(one) for one in members.values() if one.slots]

    async def master_of(self, key: str | int) -> Node:
        """Return the node that owns a slot, given as its number or as one of its keys."""
        return self._node(self._owner(await self._newest(), _slot(key)))

    async def replica_of(self, key: str | int) -> Node:
        """Return a node that answers and follows the owner of a slot, given as its number or a key."""
        members = await self._newest()
        owner = self._owner(members, _slot(key))
        followers = [self._node(one) for one in members.values() if one.master_id == owner.id]
        if found := next((node for node in followers if node.answering), None):
            return found
        raise LookupError(f"{self._node(owner)} has no replica that answers")

    async def wait_until_ok(self) -> None:
        """Wait until the nodes that answer agree on a living owner of every slot."""
        await self.until(self._is_ok, "come to an agreement on a living master for every slot")

    async def heal(self) -> None:
        """Bring every node back, and wait until each master has a replica that has all of its data."""
        await self._bring_back()
        await self.until(self._is_whole, "become whole again")

    async def failover(self, node: Node) -> Node:
        """Hand a master's slots to its replica without losing a write, and return the new master.

        Args:
            node: the master that gives, or the replica that takes.
        """
        mine = (await self._newest())[node.port]
        heir = await self.replica_of(int(mine.slots[0].partition("-")[0])) if mine.slots else node
        await heir.ask("CLUSTER", "FAILOVER")

        async def taken() -> bool:
            return bool((await self._view(heir))[heir.port].slots)

        await self.until(taken, f"let {heir} take over")
        await self.wait_until_ok()
        return heir

    async def move_slot(self, slot: int, to: Node) -> None:
        """Move a slot with its keys to another master, in the documented steps."""
        async with self.moving_slot(slot, to) as move:
            while await move.keys():
                pass

    async def migrate_slot(self, slot: int, to: Node) -> None:
        """Move a slot with its keys to another master at one stroke, as Valkey 9 can."""
        source, members = await self.master_of(slot), await self._newest()
        where = ("SLOTSRANGE", slot, slot, "NODE", members[to.port].id)
        await source.ask("CLUSTER", "MIGRATESLOTS", *where)

        async def moved() -> bool:
            return await self.master_of(slot) is to and await self._is_ok()

        await self.until(moved, f"moved slot {slot} to {to}")

    @asynccontextmanager
    async def moving_slot(self, slot: int, to: Node) -> AsyncIterator["Move"]:
        """Move a slot in steps: inside, it is open at both ends and clients are asked to try the other one.

        What is left of its keys is moved at the end.
        """
        source, members = await self.master_of(slot), await self._newest()
        move = Move(slot=slot, source=source, to=to)
        new_id, old_id = members[to.port].id, members[source.port].id
        await to.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", old_id)
        await source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", new_id)
        yield move
        while await move.keys():
            pass
        for node in (to, source):
            await node.ask("CLUSTER", "SETSLOT", slot, "NODE", new_id)
        await self.wait_until_ok()

    async def meet(self, node: Node) -> None:
        """Tell the first other node that answers of a node."""
        greeter = next(one for one in self.nodes if one is not node and one.answering)
        bus_port = self._bus_ports[self.nodes.index(node)]
        await greeter.ask("CLUSTER", "MEET", "127.0.0.1", node.port, bus_port)

    async def _form(self) -> None:
        masters, replicas = self.nodes[:MASTERS], self.nodes[MASTERS:]
        for epoch, node in enumerate(self.nodes, start=1):
            await node.ask("CLUSTER", "SET-CONFIG-EPOCH", epoch)
        bounds = [REDIS_CLUSTER_HASH_SLOTS * number // MASTERS for number in range(MASTERS + 1)]
        for node, (first, end) in zip(masters, pairwise(bounds), strict=True):
            await node.ask("CLUSTER", "ADDSLOTSRANGE", first, end - 1)
        for node in self.nodes[1:]:
            await self.meet(node)
        await self.until(self._have_met, "met")
        for replica, master in zip(replicas, masters, strict=True):
            await replica.ask("CLUSTER", "REPLICATE", await master.ask("CLUSTER", "MYID"))
        await self.until(self._is_whole, "formed")

    async def _have_met(self) -> bool:
        views = await self._views()
        return all(len(view) == len(self.nodes) and all(one.well for one in view.values()) for view in views)

    async def _is_ok(self) -> bool:
        if not (views := await self._views()):
            return False
        owners = {frozenset((one.port, one.slots) for one in view.values() if one.slots) for view in views}
        masters = [one for one in views[0].values() if one.slots]
        states = await self._ask_all("CLUSTER", "INFO")
        return (
            len(owners) == 1
            and sum(one.owned for one in masters) == REDIS_CLUSTER_HASH_SLOTS
            and all(self._node(one).answering for one in masters)
            and all("cluster_state:ok" in state for state in states)
        )

    async def _is_whole(self) -> bool:
        views = await self._views()
        if len(views) < len(self.nodes) or not all(one.well for view in views for one in view.values()):
            return False
        await self._close_slots(views)
        await self._give_replicas(views[0])
        roles = {
            frozenset((one.port, one.is_master, one.master_id) for one in view.values()) for view in views
        }
        followed = {one.master_id for one in views[0].values() if not one.is_master}
        owners = {one.id for one in views[0].values() if one.slots}
        return len(roles) == 1 and followed == owners and await self._is_ok() and await self._is_followed()

    async def _is_followed(self) -> bool:
        """Whether each replica has its master's data, and clients are told of it."""
        links = [role[3] for role in await self._ask_all("ROLE") if role[0] == "slave"]
        if links != ["connected"] * (len(self.nodes) - MASTERS):
            return False
        told = await self._ask_all("CLUSTER", "SLOTS")
        return all(len(servers) > 1 for ranges in told for _first, _last, *servers in ranges)

    async def _close_slots(self, views: Sequence[dict[int, Member]]) -> None:
        """End what a test has begun to move and not finished."""
        for node, view in zip(self.nodes, views, strict=True):
            for slot in view[node.port].open_slots if view[node.port].is_master else ():
                await node.ask("CLUSTER", "SETSLOT", slot, "STABLE")

    async def _give_replicas(self, view: dict[int, Member]) -> None:
        """Let a master without slots follow one without a replica: Valkey leaves some that were away so."""
        idle = [one for one in view.values() if one.is_master and not one.slots]
        followed = {one.master_id for one in view.values()}
        alone = [one for one in view.values() if one.slots and one.id not in followed]
        for one, master in zip(idle, alone, strict=False):
            await self._node(one).ask("CLUSTER", "REPLICATE", master.id)

    async def _newest(self) -> dict[int, Member]:
        """Return what the node with the newest claims believes: a node that was held still knows old ones."""
        views = await self._views()
        return max(views, key=lambda view: sorted((one.epoch for one in view.values()), reverse=True))

    async def _views(self) -> list[dict[int, Member]]:
        """Return by port what each node that answers believes, in the order of the nodes."""
        return list(await asyncio.gather(*map(self._view, self._answering())))

    async def _view(self, node: Node) -> dict[int, Member]:
        lines = (await node.ask("CLUSTER", "NODES")).splitlines()
        return {member.port: member for member in map(Member.read, lines)}

    async def _ask_all(self, *command: str) -> list[Any]:
        return list(await asyncio.gather(*(node.ask(*command) for node in self._answering())))

    def _answering(self) -> Iterator[Node]:
        return (node for node in self.nodes if node.answering)

    def _owner(self, members: dict[int, Member], slot: int) -> Member:
        if found := next((one for one in members.values() if one.serves(slot)), None):
            return found
        raise LookupError(f"slot {slot} belongs to nobody")

    def _node(self, member: Member) -> Node:
        return next(node for node in self.nodes if node.port == member.port)


@dataclass(frozen=True)
class Move:
    """A slot on its way from one master to another."""

    slot: int
    source: Node
    to: Node

    async def keys(self, count: int = _KEYS_AT_ONCE) -> int:
        """Move some of its keys, and return how many."""
        keys = await self.source.ask("CLUSTER", "GETKEYSINSLOT", self.slot, count)
        if keys:
            target = ("127.0.0.1", self.to.port, "", 0, _MIGRATE_MS)
            await self.source.ask("MIGRATE", *target, "KEYS", *keys)
        return len(keys)


def _options(*, bus_port: int, node_timeout_ms: int) -> tuple[str, ...]:
    settings = {
        "cluster-enabled": "yes",
        "cluster-port": str(bus_port),
        "cluster-announce-ip": "127.0.0.1",
        "cluster-node-timeout": str(node_timeout_ms),
        "cluster-replica-validity-factor": "0",
        "cluster-require-full-coverage": "no",
        "cluster-allow-replica-migration": "no",
        "repl-diskless-sync-delay": "0",
        "repl-ping-replica-period": "1",  # clients are told of a replica after the first bytes that it gets
    }
    return tuple(word for name, value in settings.items() for word in (f"--{name}", value))


def _slot(key: str | int) -> int:
    return key if isinstance(key, int) else key_slot(key.encode())


def _ends(slots: str) -> tuple[int, int]:
    first, _dash, last = slots.partition("-")
    return int(first), int(last or first)
