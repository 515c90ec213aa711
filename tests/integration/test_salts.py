"""The secrets behind the visitor ids on real servers: one for all workers, and gone from everywhere in time."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from redis.asyncio import Redis

from counter.buckets.connection import open_servers
from counter.buckets.keys import SALT_TRACES, salt_key
from counter.buckets.salts import Salts, expiry_of
from counter.clock import system_clock
from counter.embedded.valkey import Valkey
from counter.errors import BucketsCorruptError
from counter.metrics import Metrics
from tests.engines.sentinel import Sentinels
from tests.engines.server import Server

DAY_MS = 86_400_000
TODAY = datetime.fromtimestamp(system_clock() / 1000, UTC).date()
"""The servers' own clock is the real one, so the days are, too: a salt of the past is not even kept."""


class Worker:
    """A worker's salts, under a clock that a test sets."""

    def __init__(self, salts: Salts, clock: list[int]) -> None:
        self.salts = salts
        self._clock = clock

    def wait_until_over(self, day: date, *, seconds: float = 0) -> None:
        self._clock[0] = int((expiry_of(day) + timedelta(seconds=seconds)).timestamp() * 1000)

    def remembers(self) -> dict[date, bytes]:
        return self.salts._known


@pytest.fixture
async def worker(redis_url: str) -> AsyncIterator[Worker]:
    async with open_servers(redis_url, timeout_seconds=5) as servers:
        clock = [system_clock()]
        yield Worker(Salts(servers, lambda: clock[0]), clock)


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url, protocol=2) as found:
        yield found


def files_with(salt: bytes, folder: Path) -> set[str]:
    """The files of a server that hold a salt, as it is or as text."""
    spellings = (salt, salt.hex().encode(), salt.hex().upper().encode(), repr(salt)[2:-1].encode())
    found = [(file.name, file.read_bytes()) for file in folder.rglob("*") if file.is_file()]
    return {name for name, content in found if any(spelt in content for spelt in spellings)}


async def rewrites(client: Redis) -> int:
    return int((await client.info("persistence"))["aof_rewrites"])


async def test_all_workers_have_one_salt_for_a_day(redis_url: str) -> None:
    """Whoever comes first draws it, however many come at once."""
    async with open_servers(redis_url, timeout_seconds=5) as servers:
        workers = [Salts(servers, system_clock) for _worker in range(20)]
        drawn = await asyncio.gather(*(each.of(TODAY) for each in workers))
        assert len(set(drawn)) == 1
        assert drawn[0] != await workers[0].of(TODAY + timedelta(days=1))


async def test_salt_that_is_over_is_nowhere(worker: Worker, client: Redis, valkey: Valkey) -> None:
    """48 h after its date has ended everywhere, no key, no file and no worker holds a salt; later ones stay."""
    salt, later = await worker.salts.of(TODAY), await worker.salts.of(TODAY + timedelta(days=1))
    assert files_with(salt, valkey.data_dir), "it was in a file, or this test shows nothing"
    worker.wait_until_over(TODAY, seconds=-1)
    assert await worker.salts.destroy() == set()
    assert (await client.get(salt_key(TODAY)), worker.remembers()[TODAY]) == (salt, salt)

    worker.wait_until_over(TODAY)
    assert await worker.salts.destroy() == set()
    assert files_with(salt, valkey.data_dir) == set()
    assert await client.exists(salt_key(TODAY)) == 0
    assert salt not in worker.remembers().values()
    assert await client.get(salt_key(TODAY + timedelta(days=1))) == later
    assert files_with(later, valkey.data_dir)
    assert worker.remembers() == {TODAY + timedelta(days=1): later}


async def test_file_is_rewritten_once_for_a_day(worker: Worker, client: Redis) -> None:
    """Many looks, and many days that are over, cost one rewriting."""
    for days in range(3):
        await worker.salts.of(TODAY + timedelta(days=days))
    before = await rewrites(client)
    worker.wait_until_over(TODAY + timedelta(days=2))
    for _look in range(5):
        assert await worker.salts.destroy() == set()
    assert await rewrites(client) == before + 1
    assert await client.exists(SALT_TRACES) == 0


async def test_salt_goes_although_a_worker_was_cut_off_before_it_knew(
    worker: Worker, client: Redis, valkey: Valkey
) -> None:
    """The salt's key expired, or was removed by a worker that ended then: the file is rewritten all the same."""
    salt = await worker.salts.of(TODAY)
    await client.unlink(salt_key(TODAY))
    assert files_with(salt, valkey.data_dir)
    worker.wait_until_over(TODAY)
    assert await worker.salts.destroy() == set()
    assert files_with(salt, valkey.data_dir) == set()


async def test_rewriting_that_began_before_does_not_count(
    worker: Worker, client: Redis, valkey: Valkey
) -> None:
    """A rewriting under way may copy the salt, so another one is asked for when it has ended."""
    salt = await worker.salts.of(TODAY)
    worker.wait_until_over(TODAY)
    await client.config_set("rdb-key-save-delay", 300_000)
    try:
        await client.bgrewriteaof()
        assert await worker.salts.destroy() == {TODAY}
        assert await client.exists(salt_key(TODAY)) == 0
    finally:
        await client.config_set("rdb-key-save-delay", 0)
    while (await client.info("persistence"))["aof_rewrite_in_progress"]:
        await asyncio.sleep(0.02)
    assert await worker.salts.destroy() == set()
    assert files_with(salt, valkey.data_dir) == set()


async def test_server_that_refuses_is_named_and_left_alone(
    worker: Worker, client: Redis, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the command is not allowed the key goes all the same, and the day stays overdue for all to see."""
    await worker.salts.of(TODAY)
    await client.acl_setuser(
        "tenant", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-bgrewriteaof"]
    )
    clock = [int(expiry_of(TODAY).timestamp() * 1000)]
    try:
        async with open_servers(
            redis_url.replace("unix://", "unix://tenant:x@"), timeout_seconds=5
        ) as servers:
            tenant, before = Salts(servers, lambda: clock[0]), await rewrites(client)
            assert await tenant.destroy() == {TODAY}
            assert await client.exists(salt_key(TODAY)) == 0
            assert await tenant.destroy() == {TODAY}
            assert capsys.readouterr().out.count("append-only file not rewritten") == 1
            metrics = Metrics()
            async with tenant.foreseen(metrics.salts):
                while not metrics.registry.get_sample_value("counter_salts_looked_timestamp_seconds"):
                    await asyncio.sleep(0.02)
            assert metrics.registry.get_sample_value("counter_salts_overdue") == 1
            assert await rewrites(client) == before
        worker.wait_until_over(TODAY)
        assert await worker.salts.destroy() == set()
    finally:
        await client.acl_deluser("tenant")


async def test_foreign_list_is_no_crash(worker: Worker, client: Redis) -> None:
    """What this program did not write is told as such."""
    await client.sadd(SALT_TRACES, "\xff")
    with pytest.raises(BucketsCorruptError):
        await worker.salts.destroy()


async def test_replicas_forget_as_well(sentinel_url: str, sentinel: Sentinels) -> None:
    """Each replica has a file of its own, and it is rewritten, too."""
    async with open_servers(sentinel_url, timeout_seconds=5) as servers:
        clock = [system_clock()]
        salts = Salts(servers, lambda: clock[0])
        salt = await salts.of(TODAY)
        data: list[Server] = list(sentinel.data_servers)

        async def all_have_it() -> bool:
            return all(files_with(salt, server.data_dir) for server in data)

        await sentinel.until(all_have_it, "written the salt to their files")
        clock[0] = int(expiry_of(TODAY).timestamp() * 1000)
        assert await salts.destroy() == set()
        assert [files_with(salt, server.data_dir) for server in data] == [set()] * len(data)
