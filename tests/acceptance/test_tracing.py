"""Traces and exemplars: what a real collector gets of a running service, and that nobody is found in it."""

import asyncio
import json
import re
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from aiohttp import ClientSession
from redis.asyncio import Redis

from counter.buckets.keys import LaneKeys
from counter.config import Settings
from counter.database import connected
from counter.sites.model import SiteSettings
from counter.sites.store import SiteStore
from tests.acceptance.collector import Collector, Seen, collecting
from tests.acceptance.conftest import PERSON
from tests.acceptance.instance import (
    PATIENCE_SECONDS,
    Instance,
    Launcher,
    environment_of,
)
from tests.acceptance.test_privacy import AGENT, IPV4, LONG_NEEDLES, NEEDLES, import_log, serving
from tests.acceptance.traces import find

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"
SECRET_PAGE = "/tin/benh-an-cua-ong-nguyen"
OPEN_METRICS = {"Accept": "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3"}
EXEMPLAR = re.compile(
    r'^(counter_\w+_bucket)\{[^}]*\} \S+ # \{trace_id="([0-9a-f]{32})"\} \S+ \S+$', re.MULTILINE
)
SERVER, CLIENT, INTERNAL = 2, 3, 1


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    async with collecting() as found:
        yield found


def followed(collector: Collector, **more: str) -> dict[str, str]:
    """The variables that let an instance send its traces at once."""
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "COUNTER_ROLLUP_SECONDS": "0.2",
        **more,
    }


async def hit(instance: Instance, path: str = "/a", **headers: str) -> int:
    sent = {"User-Agent": PERSON, "Content-Type": "text/plain", **headers}
    async with (
        ClientSession() as session,
        session.post(
            instance.public + "/v1/hits", data=json.dumps({"site": "portal", "path": path}), headers=sent
        ) as answer,
    ):
        return answer.status


async def get(url: str, **headers: str) -> tuple[int, str]:
    async with ClientSession() as session, session.get(url, headers=headers) as answer:
        return answer.status, (await answer.read()).decode("latin-1")


async def test_hit_is_followed_into_its_batch(launcher: Launcher, collector: Collector) -> None:
    """A trusted proxy's trace goes on into the batch, which says how many hits it had."""
    instance = await launcher.start(**followed(collector))
    assert await hit(instance, traceparent=TRACEPARENT) == 200
    answer = (await collector.until(lambda: collector.named("POST /v1/hits")))[0]
    batch = (await collector.until(lambda: collector.named("record hits")))[0]
    assert (answer.trace_id, answer.parent_id, answer.kind) == (TRACE, PARENT, SERVER)
    assert answer.attributes == {
        "http.request.method": "POST",
        "http.route": "/v1/hits",
        "http.response.status_code": 200,
    }
    assert (batch.trace_id, batch.parent_id, batch.kind) == (TRACE, answer.span_id, CLIENT)
    assert batch.links == [answer.span_id]
    assert batch.attributes == {
        "db.system.name": "redis",
        "counter.lane": "0",
        "counter.hits": 1,
        "counter.outcome": "recorded",
    }
    assert batch.events == ["batch_counted"]
    assert answer.begins_ns <= batch.begins_ns <= batch.ends_ns <= answer.ends_ns
    assert answer.resource["service.name"] == "counter"
    assert answer.resource["service.version"]
    instance.signal()
    assert await instance.ended() == 0


async def test_hits_that_go_together_are_linked_to_one_batch(
    launcher: Launcher, collector: Collector
) -> None:
    """Each hit that is followed is linked to exactly one batch, and the batches say how many hits there were."""
    instance = await launcher.start(**followed(collector))
    assert set(await asyncio.gather(*(hit(instance, f"/{number}") for number in range(40)))) == {200}

    def all_arrived() -> bool:
        linked = [link for batch in collector.named("record hits") for link in batch.links]
        return len(linked) == len(collector.named("POST /v1/hits")) == 40

    await collector.until(all_arrived)
    batches = collector.named("record hits")
    linked = [link for batch in batches for link in batch.links]
    assert sorted(linked) == sorted(span.span_id for span in collector.named("POST /v1/hits"))
    assert sum(batch.attributes["counter.hits"] for batch in batches) == 40
    assert all(batch.parent_id == batch.links[0] for batch in batches)


async def test_long_way_is_followed(launcher: Launcher, collector: Collector) -> None:
    """What aiohttp's router knows is named by its template, errors and unknown addresses too; scrapes are not told."""
    instance = await launcher.start(**followed(collector))
    assert (await get(f"{instance.public}/v1/hits.gif?site=portal&path=/a", **{"User-Agent": PERSON}))[
        0
    ] == 200
    assert (await get(f"{instance.public}/v1/sites/portal/pages?path=/a"))[0] == 200
    assert (await get(f"{instance.public}/nowhere/{SECRET_PAGE}"))[0] == 404
    assert (await get(f"{instance.admin}/v1/admin/sites"))[0] == 401
    assert (await get(f"{instance.admin}/metrics"))[0] == 200
    async with ClientSession() as session, session.request("PROPFIND", instance.public + "/") as answer:
        assert answer.status == 404
    seen = await collector.until(lambda: collector.named("_OTHER none"))
    assert seen[0].attributes["http.response.status_code"] == 404
    statuses = {
        span.name: span.attributes["http.response.status_code"]
        for span in collector.spans
        if span.kind == SERVER
    }
    assert statuses == {
        "GET /v1/hits.gif": 200,
        "GET /v1/sites/{site}/pages": 200,
        "GET none": 404,
        "GET /v1/admin/sites": 401,
        "_OTHER none": 404,
    }


@pytest.mark.parametrize(
    ("variables", "goes_on"),
    [
        ({}, True),
        ({"COUNTER_TRUSTED_PROXIES": ""}, False),
        ({"COUNTER_TRUSTED_PROXIES": "10.0.0.0/8"}, False),
        ({"COUNTER_TRUSTED_PROXIES": "", "COUNTER_TRACE_PARENTS": "anybody"}, True),
        ({"COUNTER_TRACE_PARENTS": "nobody"}, False),
    ],
    ids=["trusted", "no proxy", "another proxy", "anybody", "nobody"],
)
async def test_only_who_is_trusted_says_which_trace_it_is(
    launcher: Launcher, collector: Collector, *, variables: dict[str, str], goes_on: bool
) -> None:
    """A visitor cannot join, or switch on, a trace of ours; a proxy that is trusted can. Nonsense begins a new one."""
    instance = await launcher.start(**followed(collector, **variables))
    assert await hit(instance, traceparent=TRACEPARENT, tracestate=f"x={IPV4}", baggage="y=1") == 200
    (answer,) = await collector.until(lambda: collector.named("POST /v1/hits"))
    assert (answer.trace_id == TRACE) == goes_on
    assert await hit(instance, traceparent="00-nonsense-01") == 200
    await collector.until(lambda: len(collector.named("POST /v1/hits")) == 2)
    assert collector.named("POST /v1/hits")[1].parent_id == ""


async def test_sampler_is_the_standard_one(launcher: Launcher, collector: Collector) -> None:
    """With nobody sampled, only what a trusted proxy samples is sent: its hit and the batch that had it."""
    sampler = {"OTEL_TRACES_SAMPLER": "parentbased_always_off", "OTEL_SERVICE_NAME": "portal counter"}
    instance = await launcher.start(**followed(collector, **sampler))
    for _hit in range(5):
        assert await hit(instance) == 200
    assert await hit(instance, traceparent=TRACEPARENT) == 200
    await collector.until(lambda: len(collector.spans) >= 2)
    assert {span.trace_id for span in collector.spans} == {TRACE}
    assert {span.resource["service.name"] for span in collector.spans} == {"portal counter"}
    instance.signal()
    assert await instance.ended() == 0
    assert len(collector.named("POST /v1/hits")) == 1


async def test_rollup_is_followed_step_by_step(launcher: Launcher, collector: Collector) -> None:
    """A rollup is a trace of its own, with its steps one after the other, and what it wrote."""
    instance = await launcher.start(**followed(collector))
    assert await hit(instance) == 200

    def wrote() -> list[Seen]:
        return [span for span in collector.named("roll up all") if span.attributes.get("counter.rows")]

    every = (await collector.until(wrote))[0]
    (rollup,) = await collector.until(
        lambda: [span for span in collector.named("rollup") if span.span_id == every.parent_id]
    )
    assert (rollup.parent_id, rollup.kind, rollup.failed) == ("", INTERNAL, False)
    assert every.attributes == {
        "counter.rows": 1,
        "counter.page_rows": 1,
        "counter.folded": 0,
        "counter.postponed": 0,
        "counter.corrupt": 0,
    }
    (writing,) = collector.below(every)
    assert (writing.name, writing.attributes) == (
        "write buckets",
        {"counter.lane": "0", "counter.buckets": 1},
    )
    assert [step.name for step in collector.below(writing)] == [
        "read buckets",
        "write rows",
        "settle buckets",
    ]
    (folding,) = (await collector.until(lambda: collector.named("renew bases")))[:1]
    assert [step.name for step in collector.below(folding)] == [
        "read closing buckets",
        "write closing rows",
        "make bases",
        "fold buckets",
    ]


async def test_import_is_followed(
    launcher: Launcher, settings: Settings, collector: Collector, here: Path, tmp_path: Path
) -> None:
    """An import is a trace with what it brought, sent before the command ends."""
    log = tmp_path / "access.log"
    log.write_text(
        f'{IPV4} - - [17/May/2015:10:05:03 +0000] "GET {SECRET_PAGE} HTTP/1.1" 200 1 "-" "{AGENT}"\n'
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "counter", "import", "log", str(log), "--site", "portal"),
        cwd=here, env={**environment_of(settings), **followed(collector)}, stdout=PIPE, stderr=PIPE,
    )  # fmt: skip
    _said, complained = await process.communicate()
    assert process.returncode == 0, complained
    (span,) = collector.spans
    assert (span.name, span.parent_id) == ("import", "")
    assert span.attributes == {
        "counter.source": "log",
        "counter.site": "portal",
        "counter.files": 1,
        "counter.dry_run": False,
        "counter.views": 1,
    }
    assert find(NEEDLES | {SECRET_PAGE.encode()}, b"".join(collector.bodies)) == set()


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_slow_times_name_their_trace(launcher: Launcher, collector: Collector, workers: str) -> None:
    """OpenMetrics names for each bucket a trace that the collector has, of several workers too; the text has none."""
    instance = await launcher.start(**followed(collector, COUNTER_WORKERS=workers))
    for _hit in range(12):
        assert await hit(instance) == 200

    wanted = {
        "counter_request_seconds_bucket",
        "counter_batch_seconds_bucket",
        "counter_rollup_seconds_bucket",
    }
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            status, text = await get(instance.admin + "/metrics", **OPEN_METRICS)
            found = EXEMPLAR.findall(text)
            if {name for name, _trace in found} >= wanted:
                break
            await asyncio.sleep(0.05)
    assert status == 200
    assert text.endswith("# EOF\n")
    await collector.until(
        lambda: {trace for _name, trace in found} <= {span.trace_id for span in collector.spans}
    )
    assert text.count("trace_id") == len(found)
    assert "trace_id" not in (await get(instance.admin + "/metrics"))[1]
    if workers == "2":
        assert len({span.resource["service.instance.id"] for span in collector.spans}) == 2
    instance.signal()
    assert await instance.ended() == 0


async def test_without_traces_nothing_of_them_is_there(launcher: Launcher) -> None:
    """Unless they are set up no bucket names a trace, and the packages are not even loaded."""
    instance = await launcher.start()
    assert await hit(instance, traceparent=TRACEPARENT) == 200
    _status, text = await get(instance.admin + "/metrics", **OPEN_METRICS)
    assert "counter_request_seconds_bucket" in text
    assert "trace_id" not in text
    loaded = {file.path for file in psutil.Process(instance.process.pid).memory_maps()}
    assert any("msgspec" in path for path in loaded)
    assert not any("google/_upb" in path for path in loaded)  # protobuf, which the exporter needs


async def test_collector_that_is_away_costs_no_hit(
    launcher: Launcher, collector: Collector, settings: Settings
) -> None:
    """Hits are counted and the stop is clean although nobody takes the spans; how many are lost is shown."""
    away = "http://127.0.0.1:9"
    instance = await launcher.start(
        **followed(collector, OTEL_EXPORTER_OTLP_ENDPOINT=away, OTEL_EXPORTER_OTLP_TIMEOUT="1")
    )
    for _hit in range(3):
        assert await hit(instance) == 200
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not re.search(
            r"^counter_spans_lost_total [1-9]", (await get(instance.admin + "/metrics"))[1], re.MULTILINE
        ):
            await asyncio.sleep(0.1)
    instance.signal()
    assert await instance.ended() == 0
    async with connected(settings.database_url.get_secret_value()) as connection:
        assert await connection.fetchval("select sum(views) from aggregates") == 3


async def test_sent_spans_are_counted_and_nobody_is_found_in_them(
    settings: Settings, collector: Collector, tmp_path: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through every way in, with errors, no address, agent, path or query reaches the collector."""
    async with connected(settings.database_url.get_secret_value()) as connection:
        for key in ("portal", "broken", "odd"):
            await SiteStore(connection).add(key, SiteSettings(time_zone="UTC"))
    for name, value in followed(collector).items():
        monkeypatch.setenv(name, value)
    async with serving(settings, tmp_path / "spool") as service, ClientSession() as session:
        statuses = await service.everything(session)
        await service.vandalise()
        assert {200, 204, 400, 404, 405, 413, 415} <= statuses
        for way in (
            f"/v1/hits.gif?site=portal&path={SECRET_PAGE}",
            f"/v1/sites/portal/pages?path={SECRET_PAGE}",
            f"/v1/sites{SECRET_PAGE}/widget",
            f"{SECRET_PAGE}?{AGENT}",
        ):
            headers = {
                "User-Agent": AGENT,
                "X-Forwarded-For": IPV4,
                "tracestate": f"v={SECRET_PAGE[1:4]}{IPV4}",
            }
            async with session.get(service.public + way, headers={**headers, "traceparent": TRACEPARENT}):
                pass
        async with session.get(
            service.admin + "/v1/admin/sites", headers={"Authorization": f"Bearer {AGENT}"}
        ):
            pass
        await collector.until(lambda: collector.named("GET /v1/admin/sites"))
        async with session.get(service.admin + "/metrics") as answer:
            assert re.search(r"^counter_spans_sent_total [1-9]", await answer.text(), re.MULTILINE)
    await import_log(settings, here, tmp_path)
    assert {"POST /v1/hits", "record hits", "rollup", "import"} <= {span.name for span in collector.spans}
    sent = b"".join(collector.bodies)
    assert len(sent) > 5000
    pages = {
        SECRET_PAGE.encode(),
        SECRET_PAGE[1:].encode(),
        SECRET_PAGE.rpartition("/")[2].encode(),
        b"tracestate",
    }
    # Ids are random bytes, in which any four may stand.
    assert find(LONG_NEEDLES | pages, sent) == set()
    texts = "\n".join(
        repr(span._replace(trace_id="", span_id="", parent_id="", links=[])) for span in collector.spans
    )
    assert find(NEEDLES | pages, texts.encode()) == set()
    allowed = {
        "http.request.method", "http.route", "http.response.status_code", "error.type", "db.system.name",
    }  # fmt: skip
    names = {name for span in collector.spans for name in span.attributes}
    assert {name for name in names if not name.startswith("counter.")} <= allowed


async def test_log_names_the_trace(
    launcher: Launcher, collector: Collector, tmp_path: Path, redis_url: str
) -> None:
    """What is logged of a request that failed leads to its trace, in which the failure has no words."""
    instance = await launcher.start(**followed(collector))
    async with Redis.from_url(redis_url) as redis:
        await redis.set(LaneKeys("0").site("portal", "base"), "what this program did not write")
    status, _text = await get(f"{instance.public}/v1/sites/portal/widget", traceparent=TRACEPARENT)
    assert status >= 500
    (span,) = await collector.until(lambda: collector.named("GET /v1/sites/{site}/widget"))
    assert (span.failed, span.attributes["error.type"]) == (True, str(status))
    lines = [json.loads(line) for line in (tmp_path / "instance-0.log").read_text().splitlines()]
    assert {line.get("trace_id") for line in lines if line["event"].startswith("request ")} == {TRACE}
