"""`counter check`: silent on a healthy system however busy it is, and never silent on a damaged one."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from counter.aggregates.adjustments import Ledger
from counter.aggregates.store import AggregateStore
from counter.buckets.base import Counts, decode_base, encode_base
from counter.buckets.batch import Hit, Kind
from counter.buckets.keys import SALTS_LANE, LaneKeys, salt_key
from counter.buckets.salts import expiry_of
from counter.buckets.segment import HEADER, MAGIC, encode_record
from counter.checks.findings import CHECKS
from counter.clock import system_clock
from counter.commands.running import counts
from counter.config import Settings
from counter.database import Connection, connected
from counter.sites.store import SiteStore
from tests.acceptance.conftest import PERSON, Running, SetClock, running
from tests.unit.making import site_with

LANE = LaneKeys("0")
DAY_MS = 86_400_000
KEYS = [name.key for name in CHECKS]


class Behind(SetClock):
    """A clock that goes, and is behind by some time."""

    def __init__(self, behind_ms: int) -> None:
        super().__init__()
        self.behind_ms = behind_ms

    def __call__(self) -> int:
        return system_clock() - self.behind_ms


def zone_at_noon() -> str:
    """A time zone in which it is about noon, so that no day ends while a test runs."""
    return f"Etc/GMT{datetime.now(UTC).hour - 12:+d}"


@dataclass
class Audited:
    """A service that has counted yesterday and today, at rest, and both its stores."""

    service: Running
    settings: Settings
    redis: Redis
    connection: Connection

    async def check(self, *words: str, wait: float = 1) -> tuple[int, dict[str, Any]]:
        """Run `counter check --json`; return its exit code and what it says."""
        code, said, complained = await self.run("check", "--json", "--wait", str(wait), *words)
        assert "Traceback" not in complained, complained
        found: dict[str, Any] = json.loads(said)
        assert found["exit_code"] == code
        assert [line["check"] for line in found["checks"]] == KEYS
        return code, {line["check"]: line for line in found["checks"]} | {"report": found}

    async def run(self, *words: str) -> tuple[int, str, str]:
        environment = {
            **os.environ,
            "COUNTER_REDIS_URL": self.settings.redis_url.get_secret_value(),
            "COUNTER_DATABASE_URL": self.settings.database_url.get_secret_value(),
            "COUNTER_SPOOL_DIR": str(self.settings.spool_dir),
            "COUNTER_SPOOL_MB": str(self.settings.spool_mb),
            "COUNTER_ROLLUP_SECONDS": str(self.settings.rollup_seconds),
            "COUNTER_LANES": str(self.settings.lanes),
            "COLUMNS": "300",
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "counter", *words,
            env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        said, complained = await process.communicate()
        return process.returncode or 0, said.decode(), complained.decode()

    async def finds(self, check: str, *texts: str, site: str | None = "portal", **numbers: int) -> None:
        """The audit ends with 1, and the line of this check tells a problem of the site with texts and numbers."""
        code, lines = await self.check()
        line = lines[check]
        assert (code, line["result"]) == (1, "wrong"), lines["report"]
        assert line["problem_count"] == len(line["problems"]) > 0
        assert any(
            problem["site"] == site
            and all(text in problem["detail"] for text in texts)
            and numbers.items() <= problem["numbers"].items()
            for problem in line["problems"]
        ), line

    async def settled(self) -> None:
        """Wait until nothing waits for a rollup."""
        while await self.redis.scard(LANE.dirty):
            pass

    async def bucket(self) -> str:
        (name,) = await self.redis.smembers(LANE.open)
        return str(name.decode())

    async def day_key(self, kind: str = "day") -> str:
        return LANE.bucket(await self.bucket(), kind)

    async def change_row(self, change: str, *, of: str = "day = (select max(day) from aggregates)") -> None:
        """Change rows behind the program's back; the schema itself would refuse some of it."""
        await self.connection.execute(
            """do $$ declare c text; begin
            for c in select conname from pg_constraint where conrelid = 'aggregates'::regclass and contype = 'c'
            loop execute format('alter table aggregates drop constraint %I', c); end loop; end $$"""
        )
        assert await self.connection.execute(f"update aggregates set {change} where {of}") == "UPDATE 1"


@pytest.fixture
async def audited(settings: Settings) -> AsyncIterator[Audited]:
    """Yesterday 3 views, 2 visits, 2 visitors, closed; today 2 views of one visitor and a bot; rolled up."""
    clock = Behind(DAY_MS)
    async with (
        running(settings, clock) as service,
        connected(settings.database_url.get_secret_value()) as connection,
        Redis.from_url(settings.redis_url.get_secret_value()) as redis,
    ):
        await service.add_site(time_zone=zone_at_noon())
        found = Audited(service, settings, redis, connection)
        for agent in (PERSON, PERSON, PERSON.replace("130", "131")):
            await service.hit(User_Agent=agent)
        clock.behind_ms = 0
        while await redis.exists(LANE.open):
            pass
        await service.hit("/a")
        await service.hit("/b")
        await service.hit(User_Agent="Googlebot/2.1")
        await service.widget()
        await found.settled()
        yield found


async def test_healthy_system_is_good(audited: Audited) -> None:
    """At rest every check is good, the exit code is 0, and the lines say what was seen."""
    code, lines = await audited.check()
    assert {key: lines[key]["result"] for key in KEYS} == dict.fromkeys(KEYS, "good"), lines
    assert code == 0
    assert lines["totals"]["detail"] == "1 site, together 3 visits, 5 views, 3 visitors"
    assert lines["report"]["sites"] == 1
    for metric, total in {"visits": 3, "views": 5, "visitors": 3}.items():
        assert (await audited.service.widget(metric=metric))["total"] == total


async def test_table_is_for_people(audited: Audited) -> None:
    """The table has a line for each check, and ends with a sentence."""
    code, said, complained = await audited.run("check")
    assert (code, complained) == (0, "")
    for name in CHECKS:
        assert name.subject in said
    assert said.splitlines()[-1] == "All 15 checks are good, for 1 site."
    await audited.change_row("views = views + 7, hour_views[1] = hour_views[1] + 7")
    code, said, _complained = await audited.run("check", "--wait", "0.5")
    assert code == 1
    assert "portal: " in said
    assert "wrong" in said.splitlines()[-1]
    assert "Traceback" not in said


async def test_busy_system_is_good(audited: Audited) -> None:
    """While hits, rollups, corrections, new bases and new sites come in, no check is ever wrong."""
    service = audited.service
    stop = asyncio.Event()

    async def count(worker: int) -> None:
        for number in range(1_000_000):
            if stop.is_set():
                return
            agent = PERSON.replace("130", f"{worker}-{number}")
            assert (await service.hit(f"/{number % 7}", User_Agent=agent)).status == 200

    async def correct() -> None:
        async with counts(audited.settings) as both:
            site = await SiteStore(both.connection).find("portal")
            aggregates = AggregateStore(both.connection)
            while not stop.is_set():
                await Ledger(both.connection).add(site.id, {"visits": 3, "views": 5}, "a test", "a test")
                await both.rollup.refresh_base("portal", aggregates, system_clock())
                await asyncio.sleep(0.05)

    async def count_elsewhere() -> None:
        for number in range(20):
            await service.add_site(f"other-{number}", time_zone=zone_at_noon())
            await service.hit(site=f"other-{number}")

    busy = [*(asyncio.create_task(count(worker)) for worker in range(8)), asyncio.create_task(correct())]
    elsewhere = asyncio.create_task(count_elsewhere())
    try:
        for _look in range(4):
            code, lines = await audited.check(wait=20)
            assert code == 0, lines["report"]
    finally:
        stop.set()
        await asyncio.gather(*busy, elsewhere)
    assert (await audited.connection.fetchval("select sum(views) from site_totals")) > 100


async def test_new_life_of_redis_is_good(audited: Audited) -> None:
    """After Redis lost everything, or got an older snapshot back, what is shown still adds up."""
    old = {key: await audited.redis.dump(key) for key in await audited.redis.keys("counter:*")}
    await audited.service.hit("/c")
    await audited.settled()
    await audited.redis.flushall()
    assert (await audited.check(wait=20))[0] == 0
    await audited.service.hit("/d")
    assert (await audited.check(wait=20))[0] == 0
    await audited.settled()
    # In one step, as a restart from an older file is: the service must not begin a generation in between.
    async with audited.redis.pipeline(transaction=True) as restart:
        restart.flushall()
        for key, dump in old.items():
            restart.restore(key, 0, dump)
        restart.hset(LANE.generation, "life", "the one before")
        await restart.execute()
    code, lines = await audited.check(wait=20)
    unsalted = [line for key, line in lines.items() if key in KEYS and line["result"] != "good"]
    # The salts came back without their lives, as this test restored them; nothing else may be wrong.
    assert [line["check"] for line in unsalted] == ["salts"], lines["report"]
    assert code == 1


async def test_opening_balance_and_import_are_good(audited: Audited, here: Path) -> None:
    """What was brought in from an old counter adds up like everything else."""
    log = here / "tests" / "data" / "semicomplete-2015-05.access.log.gz"
    code, _said, complained = await audited.run("import", "log", str(log), "--site", "portal")
    assert code == 0, complained
    code, _said, complained = await audited.run(
        "adjust", "portal", "--total", "412135", "--reason", "old counter"
    )
    assert code == 0, complained
    code, lines = await audited.check()
    assert code == 0, lines["report"]
    assert lines["totals"]["detail"] == "1 site, together 412,135 visits, 412,135 views, 412,135 visitors"


async def test_correction_by_sql_is_good_after_the_next_rollup(audited: Audited) -> None:
    """A ledger row that the base does not hold yet is waited for, not called wrong."""
    adding = asyncio.create_task(audited.check(wait=20))
    while not adding.done():
        await audited.connection.execute(
            "insert into adjustments (site_id, metric, amount, reason, author) "
            "select id, 'visits', 1, 'a test', 'a test' from sites"
        )
        await asyncio.sleep(0.3)
    code, lines = await adding
    assert code == 0, lines["report"]


async def test_lanes_are_looked_at_each_on_its_own(settings: Settings) -> None:
    """Sites in several lanes add up, and whoever looks with another number of lanes is told."""
    lanes = settings.model_copy(update={"lanes": 3})
    async with (
        running(lanes, Behind(0)) as service,
        connected(settings.database_url.get_secret_value()) as connection,
        Redis.from_url(settings.redis_url.get_secret_value()) as redis,
    ):
        audited = Audited(service, lanes, redis, connection)
        for number in range(9):
            await service.add_site(f"site-{number}", time_zone=zone_at_noon())
            await service.hit(site=f"site-{number}")
        code, lines = await audited.check(wait=20)
        assert code == 0, lines["report"]
        assert lines["totals"]["detail"].startswith("9 sites, together 9 visits")
        audited.settings = settings.model_copy(update={"lanes": 2})
        code, said, complained = await audited.run("check")
        assert (code, said) == (2, "")
        assert "COUNTER_LANES is 2 here, but 3 in the service: set it to 3" in complained


# What follows damages one thing each, and expects the line that names it.


async def test_closed_row_that_was_changed(audited: Audited) -> None:
    """A row of a closed day with other figures is told by the total and by the day, with both numbers."""
    await audited.change_row(
        "visits = visits - 1, hour_visits = (select array_agg(case when h = 2 then 1 else h end) from unnest(hour_visits) h)",
        of="day = (select min(day) from aggregates)",
    )
    await audited.finds(
        "totals", "the widget shows 3", "aggregates 2", shown=3, aggregates=2, ledger=0, unwritten=0
    )
    await audited.finds("days", "visits 2 in Redis, 1 in Postgres", redis=2, postgres=1)


async def test_closed_row_that_is_gone(audited: Audited) -> None:
    """A row that was deleted is missing in the total."""
    await audited.connection.execute("delete from aggregates where day = (select min(day) from aggregates)")
    await audited.finds("totals", "views: the widget shows 5", "aggregates 2", shown=5, aggregates=2)


async def test_base_that_was_changed(audited: Audited) -> None:
    """A base in Redis that is not what the rows say is told with both numbers."""
    key = LANE.site("portal", "base")
    base = decode_base(await audited.redis.hget(key, "body"))
    false = msgspec.structs.replace(base, total=base.total + Counts(views=1000))
    await audited.redis.hset(key, "body", encode_base(false))
    await audited.finds("totals", "views: the widget shows 1,005", "= 5", shown=1005, aggregates=5)
    assert (await audited.service.widget(metric="views"))["total"] == 1005
    # As the documentation says, a new base is made by an adjustment of nothing.
    assert (await audited.run("adjust", "portal", "--add", "0", "--reason", "new base"))[0] == 0
    assert (await audited.check())[0] == 0
    assert await audited.connection.fetchval("select count(*) from adjustments") == 0


async def test_ledger_that_was_changed(audited: Audited) -> None:
    """A ledger row removed behind its trigger is missed."""
    assert (await audited.run("adjust", "portal", "--add", "100", "--reason", "a test", "--author", "a"))[
        0
    ] == 0
    # The leader takes new rows up once more at its next look, and would heal what is done before it.
    looks = await audited.service.metric("counter_rollup_seconds_count")
    while await audited.service.metric("counter_rollup_seconds_count") < looks + 2:
        pass
    await audited.connection.execute("alter table adjustments disable trigger user")
    await audited.connection.execute("delete from adjustments where metric = 'visits'")
    await audited.finds("totals", "visits: the widget shows 103, but ledger 0", shown=103, ledger=0)


async def test_open_row_that_was_changed(audited: Audited) -> None:
    """A row that differs from its bucket at the same version is told with both numbers."""
    await audited.change_row("views = 4, bots = 9")
    await audited.finds("buckets", "views 4 in Postgres", "2 in Redis", postgres=4, redis=2)
    await audited.finds("buckets", "bots 9 in Postgres", "1 in Redis", postgres=9, redis=1)


async def test_visitors_that_were_changed(audited: Audited) -> None:
    """Visitors are compared, too, where one row has the whole day."""
    await audited.redis.pfadd(await audited.day_key("visitors"), "somebody", "else")
    await audited.finds("buckets", "visitors 1 in Postgres", "3 in Redis", postgres=1, redis=3)


async def test_row_ahead_of_its_bucket(audited: Audited) -> None:
    """A row may not know more than its bucket ever held."""
    await audited.change_row("version = version + 10")
    await audited.finds(
        "buckets", "the row has version 13, its bucket only 3", row_version=13, bucket_version=3
    )


async def test_bucket_that_was_changed(audited: Audited) -> None:
    """A bucket whose views were changed without a hit differs from its row and from its hours."""
    await audited.redis.hincrby(await audited.day_key(), "views", 5)
    await audited.finds("buckets", "views 2 in Postgres (version 3), 7 in Redis (version 3)", redis=7)
    await audited.finds("buckets", "in Redis the views of the hours sum up to 2", hours=2, day=7)
    await audited.finds(
        "totals", "views: the widget shows 10", "not yet written 0 = 5", shown=10, unwritten=0
    )


async def test_bucket_that_nobody_will_write(audited: Audited) -> None:
    """A bucket ahead of its row that is not dirty would never reach Postgres."""
    key = await audited.day_key()
    for field in ("version", "views", "views:12"):
        await audited.redis.hincrby(key, field, 1)
    await audited.finds("buckets", "version 3 of 4", "1 views fewer", "not marked as dirty", bucket_version=4)


async def test_bucket_that_cannot_be_read(audited: Audited) -> None:
    """A bucket without its part, or with a foreign value, is named and hides no other site."""
    await audited.service.add_site("other", time_zone=zone_at_noon())
    await audited.redis.hdel(await audited.day_key(), "part")
    code, lines = await audited.check()
    assert code == 1
    assert lines["buckets"]["detail"].startswith("portal: what Redis holds of it cannot be read: ")
    assert lines["totals"]["result"] == "good"
    await audited.redis.delete(LANE.site("portal", "base"))
    await audited.redis.set(LANE.site("portal", "base"), "x")
    await audited.finds("buckets", "cannot be read")


@pytest.mark.parametrize(
    ("list_", "said"),
    [
        (LANE.open, "missing in the list of open ones"),
        (LANE.site("portal", "index"), "missing in the site's index"),
    ],
)
async def test_bucket_that_is_not_listed(audited: Audited, list_: str, said: str) -> None:
    """A bucket that the rollup, or the widget, would not find is found by the audit."""
    name = await audited.bucket()
    await audited.redis.srem(list_, name)
    await audited.finds("listed", said, name.split()[1])


async def test_bucket_that_is_gone(audited: Audited) -> None:
    """A bucket that is listed and has no counts is told."""
    key = await audited.day_key()
    await audited.redis.delete(key)
    await audited.finds("listed", "its counts are gone")


@pytest.mark.parametrize(
    ("change", "text", "numbers"),
    [
        ("visits = 8, hour_visits[1] = hour_visits[1] + 7", "visits 8 > views 2", {"visits": 8, "views": 2}),
        ("bots = -4", "bots -4 is negative", {"value": -4}),
        ("hour_views[1] = hour_views[1] + 3", "the views of the hours sum up to 5", {"hours": 5, "day": 2}),
        ("hour_visits[1] = 9", "the visits of the hours sum up to", {"day": 1}),
        (
            "hour_views[1] = hour_views[1] - 3, hour_views[2] = hour_views[2] + 3",
            "views of an hour -3 is negative",
            {"value": -3},
        ),
    ],
)
async def test_row_that_no_hits_make(
    audited: Audited, change: str, text: str, numbers: dict[str, int]
) -> None:
    """A row whose figures contradict each other is told."""
    await audited.change_row(change)
    await audited.finds("rows", text, "part", **numbers)


async def test_pages_with_more_views_than_their_day(audited: Audited) -> None:
    """Pages with more views together than the day are told."""
    await audited.connection.execute(
        "update page_aggregates set views = views + 30 where page_id = (select min(id) from pages where path = '/b')"
    )
    await audited.finds("pages", "its pages have 32 views together, the day has 2", pages=32, day=2)


async def test_rollup_that_is_late(audited: Audited) -> None:
    """Hits that wait longer than they may are told, and that nobody holds the lease."""
    async with audited.connection.transaction():
        # The rollup cannot write while this lock is held; the audit can read.
        await audited.connection.execute("lock table aggregates in exclusive mode")
        assert (await audited.service.hit("/late", query="?quiet=1")).status == 204
        await audited.finds("rollup", "hits wait for a rollup for more than 1 s")
        await audited.redis.expire(LANE.dirty, 90_000)
        await audited.finds("expiry", LANE.dirty, site=None)


async def test_nobody_rolls_up(settings: Settings) -> None:
    """Without a process that holds the lease nothing would be written down; the rest is looked at as ever."""
    async with running(settings, Behind(0)) as service:
        await service.add_site(time_zone=zone_at_noon())
        await service.hit()
        await service.widget()
    async with (
        connected(settings.database_url.get_secret_value()) as connection,
        Redis.from_url(settings.redis_url.get_secret_value()) as redis,
    ):
        stopped = Audited(service, settings, redis, connection)
        assert (await stopped.run("site", "add", "silent"))[0] == 0  # one that never had a hit nor a base
        await stopped.finds("lease", "no process held the lease within 1 s", site=None)
        _code, lines = await stopped.check()
        assert [key for key in KEYS if lines[key]["result"] != "good"] == ["lease"]


async def test_day_that_is_over_and_open(audited: Audited) -> None:
    """A day that is over has to be closed."""
    audited.service.clock.behind_ms = 2 * DAY_MS  # type: ignore[attr-defined]
    await audited.service.hit("/old")
    await audited.settled()
    await audited.finds("rollup", "is over and was not closed within 1 s")


async def test_migrations_of_another_version(audited: Audited) -> None:
    """A schema that is not this version's is told, in both directions."""
    await audited.connection.execute("insert into schema_migrations values ('9999')")
    await audited.finds("migrations", "has 9999 of a newer version", site=None)
    await audited.connection.execute("delete from schema_migrations")
    await audited.finds("migrations", "the database lacks 0001", "counter migrate", site=None)


async def test_database_that_is_empty(audited: Audited) -> None:
    """A database without the schema is told as that, and what cannot be read there is called unknown."""
    await audited.connection.execute("drop schema public cascade; create schema public")
    await audited.finds("migrations", "the database lacks 0001", site=None)
    _code, lines = await audited.check()
    assert lines["totals"]["result"] == lines["rows"]["result"] == lines["lease"]["result"] == "unknown"
    assert lines["eviction"]["result"] == "good"


async def test_redis_that_evicts(audited: Audited) -> None:
    """A policy that may evict counts is told."""
    await audited.redis.config_set("maxmemory-policy", "allkeys-lru")
    try:
        await audited.finds("eviction", "allkeys-lru", "noeviction", site=None)
    finally:
        await audited.redis.config_set("maxmemory-policy", "noeviction")


async def test_redis_that_writes_nothing_down(audited: Audited) -> None:
    """Redis without its append-only file is told."""
    await audited.redis.config_set("appendonly", "no")
    try:
        await audited.finds("persistence", "appendonly is off", site=None)
    finally:
        await audited.redis.config_set("appendonly", "yes")


async def test_redis_that_is_full(audited: Audited) -> None:
    """Redis that will soon refuse hits is told, with its sizes; with room it is good."""
    used = (await audited.redis.info("memory"))["used_memory"]
    try:
        await audited.redis.config_set("maxmemory", used + 4 * 1024 * 1024 * 1024)
        assert (await audited.check())[1]["memory"]["result"] == "good"
        await audited.redis.config_set("maxmemory", used + used // 50)
        await audited.finds("memory", "MB used", "raise maxmemory", site=None, maxmemory=used + used // 50)
    finally:
        await audited.redis.config_set("maxmemory", 0)


@pytest.mark.parametrize("kind", ["day", "visitors", "pages", "changed"])
async def test_bucket_that_expires(audited: Audited, kind: str) -> None:
    """No part of a bucket may expire."""
    key = await audited.day_key(kind)
    await audited.redis.sadd(key, "/a") if kind == "changed" else None
    await audited.redis.expire(key, 90_000)
    await audited.finds("expiry", key, "expires in 2", "may not be in Postgres")


@pytest.mark.parametrize("key", [LANE.open, LANE.parts, LANE.generation, LANE.site("portal", "index")])
async def test_list_that_expires(audited: Audited, key: str) -> None:
    """No list of buckets, and nothing that names them, may expire."""
    await audited.redis.expire(key, 90_000)
    await audited.finds("expiry", key, site="portal" if "portal" in key else None)


async def test_salts_that_stay(audited: Audited) -> None:
    """A salt beyond its time, one that never ends, one that ends late and one of no day are told."""
    today = datetime.now(UTC).date()
    old = today - timedelta(days=9)
    await audited.redis.set(salt_key(old), "x", ex=60)
    await audited.finds("salts", f"{salt_key(old)} had to be gone", site=None)
    await audited.redis.delete(salt_key(old))
    await audited.redis.persist(salt_key(today))
    await audited.finds("salts", f"{salt_key(today)} never expires", site=None)
    await audited.redis.expireat(salt_key(today), expiry_of(today) + timedelta(hours=3))
    await audited.finds("salts", f"{salt_key(today)} expires in", "it has to be gone in", site=None)
    await audited.redis.expireat(salt_key(today), expiry_of(today))
    await audited.redis.set(f"{SALTS_LANE.prefix}someday", "x", ex=60)
    await audited.finds("salts", "names no day", site=None)
    await audited.redis.delete(f"{SALTS_LANE.prefix}someday")
    assert (await audited.check())[0] == 0


@contextmanager
def spool_file(settings: Settings) -> Iterator[Path]:
    """Write a segment of three records, and hold it as a process does that owns it and replays nothing."""
    folder = settings.spool_dir / "lane-0"
    folder.mkdir(parents=True, exist_ok=True)
    site = site_with("portal")
    records = [
        encode_record("gone", number, [Hit(site, system_clock() - 90_000, Kind.VIEW, "/a", b"12345678")])
        for number in range(1, 4)
    ]
    path = folder / "held-000001.spool"
    with (folder / "held.new").open("wb") as file:
        flock(file, LOCK_EX)
        file.write(HEADER.pack(MAGIC, HEADER.size, b"") + b"".join(records))
        file.flush()
        (folder / "held.new").rename(path)
        yield path


async def test_spool_that_nobody_replays(audited: Audited) -> None:
    """Hits that wait although Redis answers are told, with how many and for how long."""
    with spool_file(audited.settings):
        await audited.finds("spool", "held-000001.spool: 3 hits wait", "nobody replays", site=None, hits=3)


async def test_spool_that_is_damaged(audited: Audited) -> None:
    """A damaged stretch, a damaged header, a torn end and a file set aside are each told by their names."""
    with spool_file(audited.settings) as path:
        whole = path.read_bytes()
        path.write_bytes(whole[:60] + b"\xff" + whole[61:])
        await audited.finds("spool", "held-000001.spool: damaged in 1 place", site=None)
        path.write_bytes(b"\0" + whole[1:])
        await audited.finds("spool", "its header is damaged", site=None)
        path.write_bytes(whole[:10])
        await audited.finds("spool", "it has no header", site=None)
        path.write_bytes(HEADER.pack(MAGIC, HEADER.size, b"") + whole[HEADER.size : HEADER.size + 20])
        await audited.finds("spool", "its last 20 bytes are no whole record", site=None, bytes=20)
        path.unlink()
        path.with_name("lost.unreadable").write_bytes(b"x")
        await audited.finds("spool", "lost.unreadable was set aside", site=None)


async def test_spool_of_a_process_that_is_gone_is_good_once_it_is_replayed(audited: Audited) -> None:
    """Hits that another process takes over while the audit waits are no finding; then they are in the total."""
    with spool_file(audited.settings):
        pass  # the lock is gone with the file's owner
    code, lines = await audited.check(wait=20)
    assert code == 0, lines["report"]
    assert lines["spool"]["detail"].startswith("nothing waits in /")
    assert "8 views" in (await audited.check())[1]["totals"]["detail"]


async def test_only_the_sites_that_are_named(audited: Audited) -> None:
    """`--site` narrows it: what is wrong elsewhere is not told, and an unknown key is a mistake."""
    await audited.service.add_site("other", time_zone=zone_at_noon())
    await audited.redis.hincrby(await audited.day_key(), "views", 5)
    code, lines = await audited.check("--site", "other")
    assert (code, lines["report"]["sites"]) == (0, 1), lines["report"]
    code, lines = await audited.check("--site", "other", "--site", "portal")
    assert (code, lines["report"]["sites"]) == (1, 2)
    code, said, complained = await audited.run("check", "--site", "nobody")
    assert (code, said, complained) == (2, "", "counter: there is no site nobody\n")


async def test_what_is_away_is_not_called_wrong(audited: Audited) -> None:
    """Without Redis, or without Postgres, the rest is looked at, and the exit code is 2."""
    redis_url, database_url = audited.settings.redis_url, audited.settings.database_url
    audited.settings = audited.settings.model_copy(update={"redis_url": SecretStr("redis://127.0.0.1:1/0")})
    code, lines = await audited.check()
    assert code == 2
    good = {key for key in KEYS if lines[key]["result"] == "good"}
    assert good == {"rows", "pages", "migrations", "spool"}
    assert lines["totals"]["detail"].startswith("could not be looked at: Redis does not answer")
    audited.settings = audited.settings.model_copy(
        update={"redis_url": redis_url, "database_url": SecretStr("postgresql://127.0.0.1:1/x")}
    )
    code, lines = await audited.check()
    assert code == 2
    good = {key for key in KEYS if lines[key]["result"] == "good"}
    assert good == {"eviction", "persistence", "memory", "expiry", "salts", "spool"}
    audited.settings = audited.settings.model_copy(update={"database_url": database_url})
    assert (await audited.check())[0] == 0


async def test_textfile_for_prometheus(audited: Audited, tmp_path: Path) -> None:
    """The result is written as metrics as well; where that cannot be done, it is said."""
    file = tmp_path / "counter.prom"
    await audited.change_row("visits = visits + 1")
    assert (await audited.check("--textfile", str(file)))[0] == 1
    lines = file.read_text().splitlines()
    assert 'counter_check_problems{check="totals"} 1.0' in lines
    assert 'counter_check_problems{check="memory"} 0.0' in lines
    assert 'counter_check_unseen{check="totals"} 0.0' in lines
    assert "counter_check_sites 1.0" in lines
    code, _said, complained = await audited.run("check", "--textfile", str(tmp_path / "none" / "x.prom"))
    assert (code, "cannot be written" in complained) == (2, True), complained
