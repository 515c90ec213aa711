"""The rules of `counter doctor`: what is well is left alone, and what is not comes with what to do."""

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counter.checks.rules import judge_eviction, judge_memory, judge_persistence
from counter.config import Settings
from counter.doctor.findings import EXIT_CODES, Advice, Verdict, diagnosed, good, summary, unseen
from counter.doctor.rules import (
    Database,
    judge_addresses,
    judge_check,
    judge_clock,
    judge_files,
    judge_listeners,
    judge_postgres,
    judge_proxies,
    judge_public,
    judge_ready,
    judge_redis_version,
    judge_spool,
)
from counter.doctor.running import judge_limits, judge_traces, judge_workers, series_of
from counter.tracing.wanted import Wanted

HEALTHY = Database(
    version=180001, superuser=False, fsync=True, encoding="UTF8", connections=5, most_connections=100
)
MEGABYTE = 1024 * 1024


def settings(**chosen: Any) -> Settings:
    return Settings(**{"public_url": "https://counter.example", **chosen})


@pytest.mark.parametrize(
    ("change", "finding", "verdict"),
    [
        ({}, "", Verdict.GOOD),
        ({"version": 140000}, "", Verdict.GOOD),
        ({"version": 130012}, "postgres_version", Verdict.FIX),
        ({"fsync": False}, "postgres_fsync", Verdict.FIX),
        ({"encoding": "SQL_ASCII"}, "postgres_encoding", Verdict.FIX),
        ({"superuser": True}, "postgres_role", Verdict.CONSIDER),
        ({"connections": 95}, "postgres_connections", Verdict.FIX),
    ],
)
def test_postgres(change: dict[str, Any], finding: str, verdict: Verdict) -> None:
    """An old, unsafe or full Postgres is told, and nothing else of it."""
    found = judge_postgres(HEALTHY._replace(**change))
    assert [(each.finding, each.verdict) for each in found if each.verdict is not Verdict.GOOD] == (
        [(finding, verdict)] if finding else []
    )


@pytest.mark.parametrize(
    ("name", "version", "verdict"),
    [
        ("Redis", "7.0.15", Verdict.GOOD),
        ("Valkey", "9.1.2", Verdict.GOOD),
        ("Redis", "10.0.0", Verdict.GOOD),
        ("Redis", "6.2.14", Verdict.FIX),
        ("Redis", "nonsense", Verdict.FIX),
    ],
)
def test_redis_version(name: str, version: str, verdict: Verdict) -> None:
    """What is older than 7.0, or says nothing that can be read, is told."""
    assert judge_redis_version(name, version).verdict is verdict


def test_servers_state_is_judged_as_by_the_audit() -> None:
    """The same rules as in `counter check`, and each with what to do."""
    wrong = [
        judge_eviction("allkeys-lru"),
        judge_persistence(appends=False, fault=""),
        judge_memory(99 * MEGABYTE, 100 * MEGABYTE),
    ]
    for check in wrong:
        advice = judge_check(check)
        assert advice.verdict is Verdict.FIX
        assert advice.detail == check.detail
        assert advice.todo
    assert judge_check(judge_eviction("noeviction")).verdict is Verdict.GOOD


@given(st.floats(-1e6, 1e6), st.floats(0, 10))
def test_clock(ahead_seconds: float, call_seconds: float) -> None:
    """A clock is wrong if it is off by more than two seconds, beside the time of the call; both ways."""
    found = judge_clock("Redis", ahead_seconds, call_seconds)
    assert (found.verdict is Verdict.FIX) == (abs(ahead_seconds) - call_seconds > 2)
    assert found.verdict is judge_clock("Redis", -ahead_seconds, call_seconds).verdict


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_admin_listener_for_everybody(host: str) -> None:
    """On every address of a host it is told; in a container only what is published is reached."""
    (found,) = judge_listeners(settings(admin_host=host), contained=False)
    assert found.verdict is Verdict.FIX
    assert "COUNTER_ADMIN_HOST=127.0.0.1" in found.todo
    (found,) = judge_listeners(settings(admin_host=host), contained=True)
    assert found.verdict is Verdict.GOOD
    (found,) = judge_listeners(settings(), contained=False)
    assert found.verdict is Verdict.GOOD


@pytest.mark.parametrize(
    ("networks", "untrusted", "verdict"),
    [
        ((), 0.0, Verdict.GOOD),
        (("10.0.0.0/8", "fd00::/64"), None, Verdict.GOOD),
        ((), 12.0, Verdict.FIX),
        (("0.0.0.0/0",), 0.0, Verdict.FIX),
        (("::/0",), None, Verdict.FIX),
    ],
)
def test_proxies(networks: tuple[str, ...], untrusted: float | None, verdict: Verdict) -> None:
    """An undeclared proxy and one that is everybody are told."""
    found = judge_proxies(settings(trusted_proxies=tuple(map(ip_network, networks))), untrusted)
    assert found.verdict is verdict
    assert bool(found.todo) == (verdict is Verdict.FIX)


@pytest.mark.parametrize(
    ("mb", "fault", "kind", "free_mb", "verdict"),
    [
        (512, "", "ext4", 1000, Verdict.GOOD),
        (512, "", "ext4", 100, Verdict.CONSIDER),
        (512, "", "tmpfs", 1000, Verdict.FIX),
        (512, "it may not be written", "", 0, Verdict.FIX),
        (0, "", "", 0, Verdict.CONSIDER),
    ],
)
def test_spool(mb: int, fault: str, kind: str, free_mb: int, verdict: Verdict) -> None:
    """A spool that cannot be written, is in memory, or may outgrow its disk is told."""
    chosen = settings(spool_mb=mb, spool_dir=Path("/spool"))
    assert judge_spool(chosen, fault, kind, free_mb * MEGABYTE).verdict is verdict


def test_addresses_files_and_listeners() -> None:
    """What is left of the host: encryption, the public address, open files, and the listener of the visitors."""
    assert judge_addresses(settings(redis_url="redis://127.0.0.1:6379/0")) == []
    assert judge_addresses(settings(redis_url="rediss://redis.example/0")) == []
    (found,) = judge_addresses(settings(redis_url="redis://redis.example/0"))
    assert found.finding == "redis_encryption"
    (found,) = judge_addresses(Settings())
    assert found.finding == "public_url"
    assert judge_files(10_000, None).verdict is Verdict.GOOD
    assert judge_files(10_000, 10_256).verdict is Verdict.GOOD
    assert judge_files(10_000, 1024).verdict is Verdict.FIX
    assert judge_public(404, 8080).verdict is Verdict.GOOD
    assert judge_public(200, 8080).verdict is Verdict.FIX


def test_readiness_in_its_own_words() -> None:
    """Each part that the service lacks is a finding."""
    assert [each.verdict for each in judge_ready({"redis": "ok", "spool": "ok"})] == [Verdict.GOOD]
    (found,) = judge_ready({"redis": "ok", "spool": "its disk is full"})
    assert found.verdict is Verdict.FIX
    assert "spool: its disk is full" in found.detail


@given(st.lists(st.sampled_from(list(Verdict)), max_size=6))
def test_sum(verdicts: list[Verdict]) -> None:
    """To fix is 1 whatever else, then unknown is 2, and what may be meant is 0; the sentence counts all."""
    findings = [Advice("x", "x", verdict, "x", "x") for verdict in verdicts]
    found = diagnosed(findings, as_of="", version="")
    expected = 1 if Verdict.FIX in verdicts else 2 if Verdict.UNKNOWN in verdicts else 0
    assert found.exit_code == EXIT_CODES[found.verdict] == expected
    assert ("to fix" in summary(found)) == (Verdict.FIX in verdicts)


def test_sentence() -> None:
    """It says in plain words how it came out."""
    assert (
        summary(diagnosed([good("a", "b", "c")], as_of="", version="")) == "Nothing to do: 1 thing looked at."
    )
    found = diagnosed([good("a", "b", "c"), unseen("d", "e", "f", "g")], as_of="", version="")
    assert summary(found) == "2 things looked at: 1 could not be looked at, 1 good."


def hits(**results: int) -> dict[str, float]:
    return {f'counter_hits_total{{result="{result}"}}': float(count) for result, count in results.items()}


@pytest.mark.parametrize(
    ("series", "verdict"),
    [
        ({}, Verdict.GOOD),
        (hits(view=1000, address_rate=9), Verdict.GOOD),
        (hits(view=100_000, new_visitors=500), Verdict.GOOD),
        (hits(view=1000, address_rate=60, new_visitors=60), Verdict.CONSIDER),
        (hits(view=0, bot=10, network_rate=100), Verdict.CONSIDER),
        (hits(view=10, foreign_host=1000), Verdict.GOOD),
    ],
)
def test_limits(series: dict[str, float], verdict: Verdict) -> None:
    """Many beacons that were refused as too many may be an office; a few, or other reasons, are none."""
    found = judge_limits(series)
    assert (found.verdict, bool(found.todo)) == (verdict, verdict is not Verdict.GOOD)


@pytest.mark.parametrize(
    ("shown", "verdict", "text"),
    [
        ({"wanted": 4, "alive": 4}, Verdict.GOOD, "all 4 workers"),
        ({"wanted": 4, "alive": 3}, Verdict.FIX, "3 of 4 workers"),
        ({"wanted": 4, "alive": 4, "hangs": 1, "restarts": 1}, Verdict.CONSIDER, "1 hung since"),
        ({"wanted": 4, "alive": 4, "hangs": 1, "restarts": 3}, Verdict.CONSIDER, "1 hung and 2 ended since"),
        ({"wanted": 4, "alive": 4, "restarts": 2}, Verdict.CONSIDER, "2 ended since"),
    ],
)
def test_workers(shown: dict[str, int], verdict: Verdict, text: str) -> None:
    """Workers that do not answer are to be mended; those that were replaced are worth a look."""
    names = {
        "wanted": "counter_workers_wanted",
        "alive": "counter_workers_alive",
        "hangs": "counter_worker_hangs_total",
        "restarts": "counter_worker_restarts_total",
    }
    (found,) = judge_workers({names[name]: float(value) for name, value in shown.items()})
    assert (found.verdict, text in found.detail) == (verdict, True), found
    assert judge_workers({}) == []


@pytest.mark.parametrize(
    ("wanted", "missing", "answer", "parents", "verdict"),
    [
        (Wanted(), "", 0, "anybody", Verdict.GOOD),
        (Wanted("https://c/v1/traces"), "", 200, "trusted", Verdict.GOOD),
        (Wanted("https://c/v1/traces"), "", 401, "nobody", Verdict.GOOD),
        (Wanted("https://c/v1/traces"), "", 404, "trusted", Verdict.CONSIDER),
        (Wanted("https://c/v1/traces"), "", "ClientError", "trusted", Verdict.CONSIDER),
        (Wanted("https://c/v1/traces"), "", 200, "anybody", Verdict.CONSIDER),
        (Wanted("https://c/v1/traces"), "not installed", 200, "trusted", Verdict.CONSIDER),
        (Wanted("https://c/v1/traces", "grpc"), "", 0, "trusted", Verdict.CONSIDER),
    ],
)
def test_traces(wanted: Wanted, missing: str, answer: int | str, parents: str, verdict: Verdict) -> None:
    """Traces that are wanted and arrive nowhere are told, and never as something that loses numbers."""
    found = judge_traces(wanted, missing, answer, parents)
    assert (found.verdict, bool(found.todo)) == (verdict, verdict is not Verdict.GOOD)


def test_series_are_read_from_the_exposition() -> None:
    """Values are found under the name of their series, whatever stands beside them."""
    text = '# HELP a A thing.\n# TYPE a counter\na_total{result="view"} 3.0\nb 1e+06\n\n'
    assert series_of(text.splitlines()) == {'a_total{result="view"}': 3, "b": 1e6}
