"""The sets of servers that other tests break: a cluster and a master under sentinels do what they are made for."""

import asyncio
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import TypeVar

import psutil
import pytest
from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import ClusterError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.engines.cluster import Cluster
from tests.engines.sentinel import NAME, Sentinels
from tests.engines.server import Server, ServerSet

Answer = TypeVar("Answer")
KEY = "{vn}:views"
SLOT = key_slot(KEY.encode())
MANY = 500

in_cluster = pytest.mark.usefixtures("cluster_url")
under_sentinels = pytest.mark.usefixtures("sentinel_url")


@in_cluster
async def test_a_cluster_has_three_masters_and_replicas(cluster: Cluster, cluster_url: str):
    """Each seed of the address leads to all six nodes, which share the slots among three masters."""
    seeds = cluster_url.removeprefix("redis+cluster://").split(",")
    assert len(seeds) == 3
    for seed in seeds:
        host, port = seed.split(":")
        async with RedisCluster(host, int(port)) as client:
            assert {node.port for node in client.get_nodes()} == {node.port for node in cluster.nodes}
            assert len(client.get_primaries()) == len(client.get_replicas()) == 3
    assert await cluster.master_of(KEY) is await cluster.master_of(SLOT)


@in_cluster
async def test_a_cluster_writes_on_the_owner_alone(cluster: Cluster):
    """The owner of a key takes the write, its replica gets it, and the others name the owner."""
    master, replica = await cluster.master_of(KEY), await cluster.replica_of(KEY)
    assert await master.ask("INCR", KEY) == 1
    await until_it_has(1, replica, cluster)
    for node in cluster.nodes:
        if node is not master:
            with pytest.raises(ResponseError, match=f"{SLOT} 127.0.0.1:{master.port}"):
                await node.ask("INCR", KEY)


@in_cluster
async def test_a_killed_master_of_a_cluster_is_replaced(cluster: Cluster):
    """After `kill -9` the replica takes the slots with all data, and the killed node comes back as its replica."""
    master, replica = await cluster.master_of(KEY), await cluster.replica_of(KEY)
    await master.ask("INCR", KEY)
    await until_it_has(1, replica, cluster)
    cluster.kill(master)
    await cluster.wait_until_ok()
    assert await cluster.master_of(KEY) is replica
    assert await replica.ask("INCR", KEY) == 2
    await replica.ask("SET", "{vn}:more", 1)
    await cluster.heal()
    assert await cluster.master_of(KEY) is replica
    assert await cluster.replica_of(KEY) is master
    await until_it_has(2, master, cluster)


@in_cluster
async def test_a_node_is_started_again_on_its_data(cluster: Cluster):
    """A master that is back before anybody misses it goes on as master with what it had acknowledged."""
    master = await cluster.master_of(KEY)
    await master.ask("INCR", KEY)
    cluster.kill(master)
    await cluster.start(master)
    await cluster.heal()
    assert await (await cluster.master_of(KEY)).ask("INCR", KEY) == 2


@in_cluster
async def test_a_master_of_a_cluster_that_hung_becomes_a_replica(cluster: Cluster):
    """A master that was held still finds itself replaced, and takes over what was written meanwhile."""
    master, replica = await cluster.master_of(KEY), await cluster.replica_of(KEY)
    cluster.pause(master)
    await cluster.wait_until_ok()
    assert await cluster.master_of(KEY) is replica
    assert await replica.ask("INCR", KEY) == 1
    cluster.resume(master)
    await cluster.heal()
    assert (await master.ask("ROLE"))[:3] == ["slave", "127.0.0.1", replica.port]
    await until_it_has(1, master, cluster)


@in_cluster
async def test_a_cluster_hands_over_without_loss(cluster: Cluster):
    """Hits that go on while a master hands over to its replica and back are all there."""
    first, second = await cluster.master_of(KEY), await cluster.replica_of(KEY)

    async def hand_over_and_back() -> None:
        assert await cluster.failover(first) is second
        assert await cluster.failover(first) is first

    async with RedisCluster("127.0.0.1", second.port) as client:
        written = await increments_while(hand_over_and_back, client)
    assert int(await first.ask("GET", KEY)) >= written > 0


@in_cluster
@pytest.mark.parametrize("move", [Cluster.move_slot, Cluster.migrate_slot])
async def test_a_slot_moves_while_it_is_used(move, cluster: Cluster):
    """A slot takes all of its keys to another master, and no reader or writer misses one on the way."""
    source, target = await source_and_target(cluster)
    async with RedisCluster("127.0.0.1", source.port) as client:
        await fill(client)
        wrong = 0

        async def read() -> None:
            nonlocal wrong
            for number in range(MANY):
                value = await patiently(partial(client.get, f"{{vn}}:{number}"))
                wrong += value != str(number).encode()

        async def move_it() -> None:
            reading = asyncio.create_task(read())
            await move(cluster, SLOT, target)
            await reading

        written = await increments_while(move_it, client)
    assert wrong == 0
    assert await cluster.master_of(KEY) is target
    assert (
        int(await target.ask("GET", KEY)) >= written > 0
    )  # redis-py repeats what was cut off: once more is no loss
    assert await target.ask("CLUSTER", "COUNTKEYSINSLOT", SLOT) == MANY + 1
    assert await source.ask("CLUSTER", "COUNTKEYSINSLOT", SLOT) == 0


@in_cluster
async def test_a_slot_halfway(cluster: Cluster):
    """On the way a slot sends clients on for keys that have left, and asks to wait for keys on both sides."""
    source, target = await source_and_target(cluster)
    async with RedisCluster("127.0.0.1", source.port) as client:
        await fill(client)
    async with cluster.moving_slot(SLOT, target) as move:
        first, *_rest, last = await source.ask("CLUSTER", "GETKEYSINSLOT", SLOT, MANY)
        assert await move.keys(count=1) == 1
        with pytest.raises(ResponseError, match=f"{SLOT} 127.0.0.1:{target.port}"):
            await source.ask("GET", first)
        with pytest.raises(ResponseError, match="Multiple keys request during rehashing"):
            await source.ask("MGET", first, last)
    assert await target.ask("CLUSTER", "COUNTKEYSINSLOT", SLOT) == MANY


@in_cluster
async def test_a_slot_that_was_left_open_is_closed(cluster: Cluster):
    """A test that fails in the middle of a move leaves no open slot to the next one."""
    source, target = await source_and_target(cluster)
    with pytest.raises(ZeroDivisionError):
        async with cluster.moving_slot(SLOT, target):
            raise ZeroDivisionError
    await cluster.heal()
    assert await cluster.master_of(KEY) is source
    for node in (source, target):
        assert f"[{SLOT}" not in await node.ask("CLUSTER", "NODES")


@in_cluster
async def test_a_cluster_heals_from_much(cluster: Cluster):
    """A lost pair and a hanging majority are whole again after one call, with what they had acknowledged."""
    master, replica = await cluster.master_of(KEY), await cluster.replica_of(KEY)
    await master.ask("INCR", KEY)
    await until_it_has(1, replica, cluster)
    others = [node for node in await cluster.masters() if node is not master]
    for node in (master, replica):
        cluster.kill(node)
    for node in others:
        cluster.pause(node)
    await cluster.heal()
    assert await (await cluster.master_of(KEY)).ask("INCR", KEY) == 2
    assert len(await cluster.masters()) == 3
    assert all(node.answering for node in cluster.nodes)


@in_cluster
async def test_a_master_is_back_after_its_slots_were_resharded(cluster: Cluster):
    """A master that was away while its heir gave and took slots is its heir's replica at the end."""
    lost, heir = await cluster.master_of(KEY), await cluster.replica_of(KEY)
    cluster.pause(lost)
    await cluster.wait_until_ok()
    other = next(node for node in await cluster.masters() if node is not heir)
    owners = {slot: await cluster.master_of(slot) for slot in range(0, REDIS_CLUSTER_HASH_SLOTS, 1000)}
    gift = next(slot for slot, owner in owners.items() if owner is other)
    await cluster.move_slot(gift, heir)
    await cluster.move_slot(SLOT, other)
    cluster.resume(lost)
    await cluster.heal()
    assert await cluster.replica_of(gift) is lost
    await cluster.move_slot(gift, other)
    await cluster.move_slot(SLOT, heir)


@in_cluster
async def test_a_node_that_forgot_the_cluster_gets_a_master(cluster: Cluster):
    """A node that is a master of nothing follows the master that lacks a replica."""
    lost = await cluster.replica_of(KEY)
    await lost.ask("CLUSTER", "RESET", "SOFT")
    await cluster.meet(lost)
    await cluster.heal()
    assert await cluster.replica_of(KEY) is lost


@in_cluster
async def test_a_cluster_says_why(cluster: Cluster):
    """What does not come true in time is reported with each node's state and the end of its log."""
    held = cluster.nodes[0]
    cluster.pause(held)

    async def never() -> bool:
        return False

    with pytest.raises(TimeoutError, match=r"the cluster has not got wings within 0 s") as caught:
        await cluster.until(never, "got wings", within_seconds=0.1)
    cluster.resume(held)
    assert f"{held.port}, held still" in str(caught.value)
    assert str(caught.value).count(" running)") == 5
    assert all(node.log.read_text().splitlines()[-1] in str(caught.value) for node in cluster.nodes[1:2])


@in_cluster
async def test_a_cluster_is_emptied(cluster: Cluster):
    """Neither a key nor a script of one test reaches the next."""
    digest = ""
    for node in await cluster.masters():
        digest = await node.ask("SCRIPT", "LOAD", "return 1")
    await (await cluster.master_of(KEY)).ask("INCR", KEY)
    await cluster.flush()
    for node in cluster.nodes:
        assert await node.ask("DBSIZE") == 0
        assert await node.ask("SCRIPT", "EXISTS", digest) == [0]


@under_sentinels
async def test_sentinels_name_the_master(sentinel: Sentinels, sentinel_url: str):
    """Every sentinel of the address leads to the one server that takes writes; the replicas only copy."""
    seeds, _slash, name = sentinel_url.removeprefix("redis+sentinel://").partition("/")
    assert name == NAME
    assert len(seeds.split(",")) == 3
    master = await sentinel.master()
    for seed in seeds.split(","):
        host, port = seed.split(":")
        async with Sentinel([(host, int(port))]) as client:
            assert await client.discover_master(name) == ("127.0.0.1", master.port)
    assert await master.ask("INCR", KEY) == 1
    replicas = await sentinel.replicas()
    assert len(replicas) == 2
    for replica in replicas:
        await until_it_has(1, replica, sentinel)
        with pytest.raises(ResponseError, match="read only replica"):
            await replica.ask("INCR", KEY)


@under_sentinels
async def test_a_killed_master_under_sentinels_is_replaced(sentinel: Sentinels):
    """After `kill -9` a replica takes over with all data, and the killed server comes back as its replica."""
    await (await sentinel.master()).ask("INCR", KEY)
    for replica in await sentinel.replicas():
        await until_it_has(1, replica, sentinel)
    killed = await sentinel.kill_master()
    await sentinel.wait_until_ok()
    heir = await sentinel.master()
    assert heir is not killed
    assert await heir.ask("INCR", KEY) == 2
    await heir.ask("SET", "{vn}:more", 1)
    await sentinel.heal()
    assert await sentinel.master() is heir
    assert (await killed.ask("ROLE"))[:3] == ["slave", "127.0.0.1", heir.port]
    await until_it_has(2, killed, sentinel)


@under_sentinels
async def test_a_master_under_sentinels_that_hung_becomes_a_replica(sentinel: Sentinels):
    """A master that was held still is made a replica, and takes over what was written meanwhile."""
    hung = await sentinel.master()
    sentinel.pause(hung)
    await sentinel.wait_until_ok()
    heir = await sentinel.master()
    assert heir is not hung
    assert await heir.ask("INCR", KEY) == 1
    sentinel.resume(hung)
    await sentinel.heal()
    assert (await hung.ask("ROLE"))[:3] == ["slave", "127.0.0.1", heir.port]
    await until_it_has(1, hung, sentinel)


@under_sentinels
async def test_two_sentinels_are_enough(sentinel: Sentinels):
    """With one sentinel gone the other two still choose, and the third learns of it when it is back."""
    gone = sentinel.sentinels[0]
    sentinel.kill(gone)
    killed = await sentinel.kill_master()
    await sentinel.wait_until_ok()
    heir = await sentinel.master()
    assert heir is not killed
    await sentinel.heal()
    assert int((await gone.watched())["port"]) == heir.port


@under_sentinels
async def test_sentinels_hand_over_without_loss(sentinel: Sentinels):
    """Hits that go on while a master hands over to a replica are all there."""
    former = await sentinel.master()
    addresses = [("127.0.0.1", one.port) for one in sentinel.sentinels]
    # While it retries by itself, redis-py dials the former master again and asks no sentinel.
    async with (
        Sentinel(addresses) as watching,
        watching.master_for(NAME, retry=Retry(NoBackoff(), 0)) as client,
    ):
        written = await increments_while(sentinel.failover, client)
        assert await client.incr(KEY) > written > 0
    assert await sentinel.master() is not former


@under_sentinels
async def test_a_set_under_sentinels_heals_from_much(sentinel: Sentinels):
    """With everything killed at once, all is back after one call, with what the master had acknowledged."""
    await (await sentinel.master()).ask("INCR", KEY)
    for replica in await sentinel.replicas():
        await until_it_has(1, replica, sentinel)
    for server in sentinel.servers:
        sentinel.kill(server)
    await sentinel.heal()
    assert await (await sentinel.master()).ask("INCR", KEY) == 2
    assert len(await sentinel.replicas()) == 2


@under_sentinels
async def test_a_set_under_sentinels_is_emptied(sentinel: Sentinels):
    """Neither a key nor a script of one test reaches the next."""
    master = await sentinel.master()
    await master.ask("INCR", KEY)
    digest = await master.ask("SCRIPT", "LOAD", "return 1")
    await sentinel.flush()
    for node in sentinel.nodes:
        assert await node.ask("DBSIZE") == 0
        assert await node.ask("SCRIPT", "EXISTS", digest) == [0]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's end")
async def test_a_killed_run_leaves_no_server(here, short_tmp):
    """`kill -9` of the tests ends every server, also one that is held still."""
    program = (
        "import asyncio\n"
        "from tests.engines.sentinel import Sentinels\n"
        "async def main():\n"
        "    async with Sentinels() as servers:\n"
        "        servers.pause(servers.nodes[0])\n"
        "        print(*(one.pid for one in servers.servers), flush=True)\n"
        "        await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program),
        stdout=asyncio.subprocess.PIPE,
        cwd=here,
        env={**os.environ, "TMPDIR": short_tmp},
    )
    servers = [psutil.Process(int(pid)) for pid in (await parent.stdout.readline()).split()]
    assert len(servers) == 6
    parent.kill()
    await parent.communicate()
    _gone, alive = psutil.wait_procs(servers, timeout=30)
    assert not alive


@pytest.fixture
def short_tmp() -> Iterator[str]:
    """A folder for what a killed run leaves; pytest's own may be too deep for a socket."""
    with tempfile.TemporaryDirectory(prefix="counter-killed-") as folder:
        yield folder


async def until_it_has(keys: int, server: Server, servers: ServerSet) -> None:
    """Wait until a replica has so many keys."""

    async def has() -> bool:
        return await server.ask("DBSIZE") == keys

    await servers.until(has, f"copied {keys} keys to {server}")


async def source_and_target(cluster: Cluster) -> tuple[Server, Server]:
    """Return the owner of the key, and another master."""
    source = await cluster.master_of(KEY)
    return source, next(node for node in await cluster.masters() if node is not source)


async def fill(client: RedisCluster) -> None:
    """Write as many keys into the slot as a move takes several steps for."""
    await client.mset({f"{{vn}}:{number}": number for number in range(MANY)})


async def increments_while(act: Callable[[], Awaitable[object]], client: Redis | RedisCluster) -> int:
    """Count up without a pause while something happens, and return how often it was acknowledged."""
    done = asyncio.Event()

    async def count_up() -> int:
        written = 0
        while not done.is_set():
            await patiently(partial(client.incr, KEY))
            written += 1
        return written

    counting = asyncio.create_task(count_up())
    try:
        await act()
    finally:
        done.set()
        written = await counting
    return written


async def patiently(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """Ask again while the heir of a master is not known yet, or two masters name each other for a moving slot."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await ask()
            except (RedisConnectionError, ClusterError):
                await asyncio.sleep(0.01)
