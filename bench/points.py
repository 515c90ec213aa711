"""`python -m bench.points`: measures the points to which `bench/scaling.py` is held; one line of JSON for each.

One worker on one core; stores and load share the other one. Then a cluster of three masters and their replicas,
with several numbers of lanes.
"""

import asyncio
import json
import resource
import sys
import tempfile
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from redis.asyncio import Redis

from bench.cores import LOAD_CORE, cpu_seconds, pin
from bench.figures import HIT
from bench.load import Load, LoadError, send
from bench.place import Place, Service, place
from tests.engines.cluster import Cluster
from tests.engines.server import Server

SECONDS: Final = 3
CLUSTER_SECONDS: Final = 5
SITES: Final = 1000
LANES: Final = (1, 6, 24, 96)

LOADS: Final = {
    "one": replace(HIT, connections=1),
    "eight": replace(HIT, connections=8),
    "sixty-four": HIT,
    "two hundred": replace(HIT, connections=200),
    "thousand": replace(HIT, connections=1000),
    "sites, eight": replace(HIT, connections=8, sites=SITES),
    "sites": replace(HIT, sites=SITES),
    "sites, thousand": replace(HIT, connections=1000, sites=SITES),
    "numbers": replace(HIT, target="/v1/hits"),
}


def wrk_seconds() -> float:
    """Return the time that the loads that have ended had, in seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


async def point(service: Service, servers: Mapping[str, int], load: Load, seconds: int) -> dict[str, Any]:
    """Send a load and return what a hit of it cost, in µs of a core.

    Args:
        service: that takes the load.
        servers: processes of Redis, by name.
        load: what is sent.
        seconds: for which it is sent.
    """
    metrics, ours = await service.samples(), cpu_seconds(service.process.pid)
    theirs, loading = {name: cpu_seconds(pid) for name, pid in servers.items()}, wrk_seconds()
    answered = await send(service.public, load, seconds)
    grown = {name: value - metrics.get(name, 0.0) for name, value in (await service.samples()).items()}
    refused = {
        name: hits
        for name, hits in grown.items()
        if name[0] == "counter_hits_total" and name[1] != "view" and hits
    }
    if refused:
        raise LoadError(f"not all hits were counted: {refused}")
    each = 1e6 / answered.requests
    return {
        "connections": load.connections,
        "sites": load.sites,
        "per_second": round(answered.per_second),
        "service_us": round((cpu_seconds(service.process.pid) - ours) * each, 1),
        "server_us": {name: round((cpu_seconds(servers[name]) - theirs[name]) * each, 1) for name in servers},
        "load_us": round((wrk_seconds() - loading) * each, 1),
        "batch_hits": round(grown["counter_batch_hits_sum", ""] / grown["counter_batch_hits_count", ""], 2),
        "p50_us": answered.p50_us,
    }


async def on_one_server(here: Place) -> None:
    """Measure each load on a single Valkey, and what it keeps and writes."""
    async with here.serving() as service, Redis.from_url(here.valkey.url) as redis:
        await send(service.public, HIT, 1)
        for name, load in LOADS.items():
            before = (await redis.info("persistence"))["aof_current_size"]
            found = await point(service, {"valkey": here.valkey.pid}, load, SECONDS)
            written = (await redis.info("persistence"))["aof_current_size"] - before
            say(name, found | {"aof_bytes": round(written / (found["per_second"] * SECONDS))})
        samples = await service.samples()
        say(
            "rollups",
            {
                "seconds": samples["counter_rollup_seconds_sum", ""],
                "rows": {
                    table: samples.get(("counter_rollup_rows_total", table))
                    for table in ("aggregates", "page_aggregates")
                },
            },
        )


async def on_cluster(here: Place) -> None:
    """Measure how evenly lanes load the masters of a cluster."""
    async with Cluster() as cluster:
        for node in cluster.nodes:
            pin(node.pid, LOAD_CORE)
        masters = await cluster.masters()
        servers = {f"{kind(node, masters)} {node.data_dir.name}": node.pid for node in cluster.nodes}
        for lanes in LANES:
            variables = {"COUNTER_REDIS_URL": cluster.url, "COUNTER_LANES": str(lanes)}
            async with here.serving(**variables) as service:
                await send(service.public, replace(HIT, sites=SITES), 1)
                for node in masters:
                    await node.ask("CONFIG", "RESETSTAT")
                found = await point(service, servers, replace(HIT, sites=SITES), CLUSTER_SECONDS)
                calls = {node.data_dir.name: await scripts(node) for node in masters}
            say(f"{lanes} lanes", found | {"lanes": lanes, "seconds": CLUSTER_SECONDS, "scripts": calls})
            for node in masters:
                await node.ask("FLUSHALL")


def kind(node: Server, masters: list[Any]) -> str:
    """Return what a node is."""
    return "master" if node in masters else "replica"


async def scripts(node: Server) -> int:
    """Return how many scripts a node has run since its statistics began."""
    statistics = await node.ask("INFO", "commandstats")
    found = (statistics.get(f"cmdstat_{command}", {"calls": 0}) for command in ("evalsha", "fcall"))
    return sum(int(one["calls"]) for one in found)


def say(name: str, found: Mapping[str, Any]) -> None:
    """Print a point."""
    print(json.dumps({"name": name} | dict(found)), flush=True)


async def main() -> None:
    """Measure everything."""
    with tempfile.TemporaryDirectory(prefix="counter-points-") as folder:
        Path(folder).chmod(0o711)
        async with AsyncExitStack() as stack:
            here = await stack.enter_async_context(place(Path(folder)))
            await here.add_sites(SITES)
            await on_one_server(here)
            await on_cluster(here)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
