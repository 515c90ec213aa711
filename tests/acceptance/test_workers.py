"""Several workers under one parent: they share the socket and the metrics, and none is missed when it is gone."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import psutil
import pytest
from aiohttp import ClientSession
from prometheus_client.parser import text_string_to_metric_families

from counter.config import Settings
from counter.embedded.valkey import Valkey
from tests.acceptance.instance import PATIENCE_SECONDS, Instance, Launcher, listening_socket
from tests.acceptance.test_restart import LONG, Connection, Visitors, connection_to, stored_views

TWO = {"COUNTER_WORKERS": "2"}
IMPATIENT = {"COUNTER_WORKER_SILENT_SECONDS": "1.5", "COUNTER_DRAIN_SECONDS": "0"}
REFUSED = 'counter_hits_total{result="address_rate"}'
COUNTED = 'counter_hits_total{result="view"}'


def workers_of(instance: Instance) -> list[psutil.Process]:
    """The processes of the workers, in the order of their places."""
    children = psutil.Process(instance.process.pid).children()
    return sorted(children, key=lambda child: int(child.cmdline()[child.cmdline().index("--number") + 1]))


async def metrics_at(instance: Instance) -> dict[str, float]:
    """Every series that the admin listener shows."""
    async with ClientSession() as session, session.get(instance.admin + "/metrics") as response:
        text = await response.text()
    return {
        sample.name
        + (
            "{" + ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items())) + "}"
            if sample.labels
            else ""
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def ready_again(instance: Instance) -> None:
    """Wait until all workers serve."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await instance.readiness() != (200, "ready"):
            await asyncio.sleep(0.05)


async def gone(processes: list[psutil.Process]) -> None:
    """Wait until none of the processes runs."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes):
            await asyncio.sleep(0.05)


async def test_killed_worker_is_replaced(launcher: Launcher, settings: Settings, tmp_path: Path) -> None:
    """A worker killed under load costs no acknowledged hit; another one comes, and no counter falls."""
    with listening_socket(tmp_path) as listener:
        instance = await launcher.start(listener, **TWO)
        visitors = Visitors(listener)
        async with visitors.coming(kept_alive=4, fresh=2, far=0):
            await visitors.arrive(300)
            before = await metrics_at(instance)
            victim = workers_of(instance)[0]
            victim.kill()
            await visitors.arrive(100)
            await gone([victim])
            meanwhile = await metrics_at(instance)
            await ready_again(instance)
            await visitors.arrive(300)
        after = await metrics_at(instance)
        for series, value in before.items():
            if series.partition("{")[0].endswith(("_total", "_count", "_sum", "_bucket")):
                assert value <= meanwhile[series] <= after[series], series
        assert before["counter_workers_alive"] == after["counter_workers_alive"] == 2
        assert (before["counter_worker_restarts_total"], after["counter_worker_restarts_total"]) == (0, 1)
        assert victim.pid not in {worker.pid for worker in workers_of(instance)}
        instance.signal()
        assert await instance.ended() == 0
    # What the victim had counted but not acknowledged yet may be stored as well.
    unanswered = sum(visitors.complaints.values())
    assert visitors.acknowledged <= await stored_views(settings) <= visitors.acknowledged + unanswered
    assert unanswered <= 6  # each client lost one connection at most


async def test_metrics_are_those_of_all(launcher: Launcher, settings: Settings, tmp_path: Path) -> None:
    """One scrape has what both workers counted, both of which served; only one leads, and numbers agree."""
    with listening_socket(tmp_path) as listener:
        instance = await launcher.start(listener, **TWO)
        visitors = Visitors(listener)
        busy = [worker.cpu_times().user for worker in workers_of(instance)]
        async with visitors.coming(kept_alive=8, fresh=4, far=0):
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not all(
                    worker.cpu_times().user > was + 0.1
                    for worker, was in zip(workers_of(instance), busy, strict=True)
                ):
                    await visitors.arrive(100)
        shown = await metrics_at(instance)
        assert visitors.complaints == {}
        assert shown[COUNTED] == visitors.acknowledged
        assert shown["counter_batch_hits_sum"] == visitors.acknowledged
        assert shown["counter_rollup_leader"] == 1
        assert shown["counter_workers_wanted"] == 2
        async with connection_to(listener) as one, connection_to(listener) as two, connection_to(listener):
            await asyncio.gather(one.hit(), two.hit())
            assert (await metrics_at(instance))["counter_connections"] == 3
        port = listener.getsockname()[1]
        totals = set()
        for _connection in range(12):
            async with (
                ClientSession() as session,
                session.get(f"http://127.0.0.1:{port}/v1/sites/portal/widget?metric=views") as response,
            ):
                totals.add((await response.json())["total"])
        assert totals == {visitors.acknowledged + 2}
        async with ClientSession() as session, session.get(instance.admin + "/unknown") as response:
            assert (response.status, response.content_type) == (404, "application/problem+json")
        instance.signal()
        assert await instance.ended() == 0
    assert await stored_views(settings) == visitors.acknowledged + 2


async def test_teams_follow_each_other_under_load(
    launcher: Launcher, settings: Settings, tmp_path: Path
) -> None:
    """One parent with its workers takes over from another by the inherited socket: no client notices."""
    with listening_socket(tmp_path) as listener:
        visitors = Visitors(listener)
        first = await launcher.start(listener, **TWO)
        async with visitors.coming(kept_alive=3, fresh=2, far=2):
            await visitors.arrive(200)
            second = await launcher.start(listener, **TWO)
            workers = workers_of(first)
            first.signal()
            assert await first.ended() == 0
            await gone(workers)
            await visitors.arrive(200)
        second.signal()
        assert await second.ended() == 0
    assert visitors.complaints == {}
    assert await stored_views(settings) == visitors.acknowledged


@pytest.fixture
def two_cores() -> Iterator[list[int]]:
    """Whatever is started now may use two cores, or the only one."""
    all_of_them = os.sched_getaffinity(0)
    two = sorted(all_of_them)[:2]
    os.sched_setaffinity(0, two)
    yield two
    os.sched_setaffinity(0, all_of_them)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps a process to a core")
async def test_each_worker_keeps_to_a_core_of_its_own(
    launcher: Launcher, settings: Settings, two_cores: list[int]
) -> None:
    """With as many workers as cores each stays on one, also the one that takes the place of a dead one."""
    own = [[core] for core in two_cores] if len(two_cores) > 1 else [two_cores] * 2
    several = await launcher.start(**TWO)
    assert [worker.cpu_affinity() for worker in workers_of(several)] == own
    victim = workers_of(several)[-1]
    victim.kill()
    await gone([victim])
    await ready_again(several)
    assert [worker.cpu_affinity() for worker in workers_of(several)] == own
    several.signal()
    await several.ended()
    more = await launcher.start(COUNTER_WORKERS="3")
    assert [worker.cpu_affinity() for worker in workers_of(more)] == [two_cores] * 3


async def test_second_signal_reaches_the_workers(launcher: Launcher, settings: Settings) -> None:
    """The first signal begins the drain of all workers, the second one ends it; the port is given back at once."""
    instance = await launcher.start(**TWO, COUNTER_DRAIN_SECONDS=LONG)
    async with connection_to(instance.port) as idle:
        assert await idle.hit() == (204, "")
        await instance.drains()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await instance.refuses():
                await asyncio.sleep(0.02)
        instance.process.send_signal(signal.SIGINT)
        assert await idle.rest() == b""
        assert await instance.ended() == 0
    assert await stored_views(settings) == 1


async def test_workers_end_with_their_parent(launcher: Launcher, settings: Settings) -> None:
    """A parent that is killed takes its workers along, which store what they took; a new start has the port."""
    first = await launcher.start(**TWO)
    workers = workers_of(first)
    async with connection_to(first.port) as client:
        assert await client.hit() == (204, "")
    first.process.kill()
    await first.ended()
    await gone(workers)
    assert await stored_views(settings) == 1
    second = await launcher.start(**TWO, COUNTER_PORT=str(first.port))
    async with connection_to(second.port) as client:
        assert await client.hit() == (204, "")
    second.signal()
    assert await second.ended() == 0
    assert await stored_views(settings) == 2


async def test_readiness_names_who_is_missing(launcher: Launcher) -> None:
    """`/readyz` names the worker that does not run, and is well again once it does; hits go on meanwhile."""
    instance = await launcher.start(**TWO)
    await ready_again(instance)
    workers_of(instance)[1].terminate()
    async with asyncio.timeout(PATIENCE_SECONDS):
        async with ClientSession() as session:
            while True:
                async with session.get(instance.admin + "/readyz") as response:
                    found = await response.json()
                if response.status == 503:
                    break
    assert found["parts"]["workers"].startswith("2 is ")
    async with connection_to(instance.port) as client:
        assert await client.hit() == (204, "")
    await ready_again(instance)
    instance.signal()
    assert await instance.ended() == 0


async def test_spool_of_a_killed_worker_is_replayed(
    launcher: Launcher, settings: Settings, tmp_path: Path, valkey: Valkey
) -> None:
    """What a worker put on disk while Redis was away is counted, although it was killed before it could replay."""
    with listening_socket(tmp_path) as listener:
        instance = await launcher.start(listener, **TWO, COUNTER_ROLLUP_SECONDS="0.2")
        visitors = Visitors(listener)
        async with visitors.coming(kept_alive=4, fresh=1, far=0):
            await visitors.arrive(20)
            valkey.kill()
            await visitors.arrive(20)
            next(
                worker
                for worker in workers_of(instance)
                if any(file.path.endswith(".spool") for file in worker.open_files())
            ).kill()
            await valkey.start()
            await visitors.arrive(20)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await stored_views(settings) < visitors.acknowledged:
                await asyncio.sleep(0.1)
        instance.signal()
        assert await instance.ended() == 0
    unanswered = sum(visitors.complaints.values())
    assert visitors.acknowledged <= await stored_views(settings) <= visitors.acknowledged + unanswered


async def test_hanging_worker_is_replaced(
    launcher: Launcher, settings: Settings, tmp_path: Path, valkey: Valkey
) -> None:
    """A worker that stands still is ended, although it heeds no signal; what it had put on disk is counted by others."""
    with listening_socket(tmp_path) as listener:
        instance = await launcher.start(listener, **TWO, **IMPATIENT, COUNTER_ROLLUP_SECONDS="0.2")
        visitors = Visitors(listener)
        async with visitors.coming(kept_alive=4, fresh=1, far=0):
            await visitors.arrive(20)
            valkey.kill()
            await visitors.arrive(20)
            hanging = next(
                worker
                for worker in workers_of(instance)
                if any(file.path.endswith(".spool") for file in worker.open_files())
            )
            hanging.suspend()
            await valkey.start()
            await gone([hanging])
            await ready_again(instance)
            await visitors.arrive(20)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await stored_views(settings) < visitors.acknowledged:
                await asyncio.sleep(0.1)
        shown = await metrics_at(instance)
        assert shown["counter_worker_hangs_total"] == shown["counter_worker_restarts_total"] == 1
        assert shown["counter_workers_alive"] == 2
        assert hanging.pid not in {worker.pid for worker in workers_of(instance)}
        instance.signal()
        assert await instance.ended() == 0
    unanswered = sum(visitors.complaints.values())
    assert visitors.acknowledged <= await stored_views(settings) <= visitors.acknowledged + unanswered
    said = [json.loads(line) for line in (tmp_path / "instance-0.log").read_text().splitlines()]
    assert [line["worker"] for line in said if line["event"] == "worker hangs on, it is killed"]


async def test_hanging_worker_holds_up_nobody(launcher: Launcher, settings: Settings) -> None:
    """While a worker hangs it is told and shown as such, and a stop ends although it does not heed it."""
    instance = await launcher.start(**TWO, **IMPATIENT)
    async with connection_to(instance.port) as client:
        assert await client.hit() == (204, "")
    before = await metrics_at(instance)
    hanging = workers_of(instance)[1]
    hanging.suspend()
    async with asyncio.timeout(PATIENCE_SECONDS), ClientSession() as session:
        while (await metrics_at(instance))["counter_workers_alive"] == 2:
            pass
        async with session.get(instance.admin + "/readyz") as response:
            parts = (await response.json())["parts"]
    assert (response.status, parts["workers"]) == (503, "2 is silent")
    assert (await metrics_at(instance))[COUNTED] == before[COUNTED] == 1
    instance.signal()
    assert await instance.ended() == 0
    await gone([hanging])
    again = await launcher.start()  # whoever hung may have been the leader, and then Redis alone has the hit
    again.signal()
    assert await again.ended() == 0
    assert await stored_views(settings) == 1


async def test_start_that_cannot_succeed_ends(launcher: Launcher) -> None:
    """A worker that cannot start at all ends the service with an error, rather than being started for ever."""
    with pytest.raises(AssertionError, match="a worker did not start"):
        await launcher.start(**TWO, COUNTER_SPOOL_DIR="/dev/null")
    assert await launcher._started[-1].wait() == 1


async def test_limits_are_those_of_all_workers_together(
    launcher: Launcher, settings: Settings, tmp_path: Path
) -> None:
    """A flood over all workers gets the burst of one and no more, and an office that one worker serves gets all of it."""
    limit = {"COUNTER_WORKERS": "3", "COUNTER_ADDRESS_HITS_PER_SECOND": "4"}
    burst = 15 * 4
    with listening_socket(tmp_path) as listener:
        instance = await launcher.start(listener, **limit)
        async with AsyncExitStack() as held, asyncio.timeout(PATIENCE_SECONDS):
            connections: list[Connection] = []
            while not await served_by_several(instance, listener):
                connections += [await held.enter_async_context(connection_to(listener)) for _more in range(8)]
                await asyncio.gather(*(each.hit() for each in connections[-8:]))
            for _hit in range(burst):  # over each of them a whole burst, so that no worker gets less
                await asyncio.gather(*(each.hit() for each in connections))
        shown = await metrics_at(instance)
        assert burst <= shown[COUNTED] < 2 * burst
        instance.signal()
        assert await instance.ended() == 0
        again = await launcher.start(listener, **limit)
        async with connection_to(listener) as office:
            for _hit in range(burst):
                await office.hit()
        shown = await metrics_at(again)
        assert (shown[COUNTED], shown.get(REFUSED, 0)) == (burst, 0)
        again.signal()
        assert await again.ended() == 0


async def served_by_several(instance: Instance, listener: socket.socket) -> bool:
    """Whether at least two workers have a connection of a visitor."""
    port = listener.getsockname()[1]
    having = [
        worker
        for worker in workers_of(instance)
        if any(each.status == "ESTABLISHED" and each.laddr.port == port for each in worker.net_connections())
    ]
    return len(having) > 1
