"""Runs the Lua operations: by hash, and loaded where they are missing."""

from collections.abc import Iterable
from hashlib import sha1
from importlib.resources import files
from typing import Any, Final

from redis import exceptions
from redis.asyncio import Redis

from counter.buckets.calls import Call
from counter.buckets.connection import Servers
from counter.buckets.keys import LaneKeys
from counter.errors import BucketsUnavailableError

_NAMES: Final = (
    "begin_generation",
    "count_online",
    "count_union",
    "fold",
    "read_buckets",
    "read_pages",
    "read_site",
    "record",
    "settle",
)


class Operations:
    """Runs `lua/*.lua` on the server that holds a lane.

    Args:
        servers: to be asked.
        replicas: that must have what an operation wrote before it counts as done; 0 does not wait.
        wait_ms: how long they may take.
    """

    def __init__(self, servers: Servers, *, replicas: int, wait_ms: int) -> None:
        self._servers = servers
        self._replicas = replicas
        self._wait_ms = wait_ms
        self._sources = {name: _read("generation") + _read(name) for name in _NAMES}
        self._hashes = {name: sha1(text.encode()).hexdigest() for name, text in self._sources.items()}  # noqa: S324

    async def run(self, lane: LaneKeys, call: Call, *, durable: bool = False) -> Any:
        """Run one operation and return its reply, strings as bytes.

        Args:
            lane: that all its keys belong to.
            call: the operation.
            durable: a batch of hits: the replicas must have it, and it goes over the wire of its lane.

        Raises:
            BucketsUnavailableError: no answer, too few replicas have it, or the server refuses for now;
                a write may have happened.
            BucketsCorruptError: the operation met data that this program did not write.
        """
        async with self._servers.asking(lane) as redis:
            if durable and self._replicas:
                return await self._run_durably(redis, call)
            run = self._servers.wire(lane).call if durable else redis.execute_command
            words = (len(call.keys), *call.keys, *call.args)
            try:
                return await run("EVALSHA", self._hashes[call.name], *words)
            except exceptions.NoScriptError:
                return await run("EVAL", self._sources[call.name], *words)

    async def run_many(self, lane: LaneKeys, calls: Iterable[Call]) -> list[Any]:
        """Run independent operations on one lane in one round trip and return their replies in order.

        Raises:
            BucketsUnavailableError, BucketsCorruptError: as `run`; some may have happened.
        """
        wanted = list(calls)
        if not wanted:
            return []
        async with self._servers.asking(lane) as redis:
            try:
                return await self._send(redis, wanted)
            except exceptions.NoScriptError:
                await self._load(redis, wanted)
                return await self._send(redis, wanted)

    async def _run_durably(self, redis: Redis, call: Call) -> Any:
        """Run, and wait on the same connection until enough replicas have what it wrote."""
        try:
            reply, copies = await self._send(redis, [call], wait=True)
        except exceptions.NoScriptError:
            await self._load(redis, [call])
            reply, copies = await self._send(redis, [call], wait=True)
        if copies < self._replicas:
            raise BucketsUnavailableError(f"{copies} of {self._replicas} replicas have the batch")
        return reply

    async def _send(self, redis: Redis, calls: list[Call], *, wait: bool = False) -> list[Any]:
        async with redis.pipeline(transaction=False) as pipe:
            for call in calls:
                pipe.evalsha(self._hashes[call.name], len(call.keys), *call.keys, *call.args)
            if wait:
                pipe.wait(self._replicas, self._wait_ms)
            return list(await pipe.execute())

    async def _load(self, redis: Redis, calls: Iterable[Call]) -> None:
        for name in {call.name for call in calls}:
            await redis.script_load(self._sources[name])


def _read(name: str) -> str:
    return files("counter.buckets").joinpath("lua", f"{name}.lua").read_text(encoding="utf-8")
