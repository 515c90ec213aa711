"""What was counted when: by hour, day, week and month, with today as it goes on, as JSON and CSV."""

import csv
import io
from datetime import date, timedelta
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from counter.config import Settings
from counter.database import connected, read_query
from counter.embedded.postgres import Postgres
from counter.sites.model import Site
from counter.widget.periods import UNITS
from tests.acceptance.conftest import Running, SetClock, running
from tests.acceptance.past import row, write
from tests.proxy import proxied

TODAY = date(2026, 6, 10)
FIGURES = ("views", "visits", "visitors", "bots")


@pytest.fixture
async def site(service: Running) -> Site:
    """A site with public statistics."""
    return await service.add_site("open", public_stats=True)


async def history(service: Running, query: str = "", site: str = "open") -> dict[str, Any]:
    response = await service.get(f"/v1/sites/{site}/history?{query}")
    assert response.status == 200, await response.text()
    found: dict[str, Any] = await response.json()
    return found


def summed(found: dict[str, Any], figure: str) -> int:
    return sum(point[figure] or 0 for point in found["points"])


async def test_site_that_is_not_public_is_like_none(service: Running, site: Site) -> None:
    """Nobody can tell a site that keeps its statistics to itself from one that does not exist."""
    for address in ("history", "top"):
        hidden = await service.get(f"/v1/sites/portal/{address}")
        unknown = await service.get(f"/v1/sites/nobody/{address}")
        assert (hidden.status, unknown.status) == (404, 404)
        assert await hidden.read() == await unknown.read()
        assert (await service.get(f"/v1/sites/{site.key}/{address}")).status == 200


async def test_days_up_to_this_moment(service: Running, site: Site) -> None:
    """Closed days come from Postgres, today from Redis, and a hit is in today's figure at once."""
    await write(
        service.settings,
        [
            row(site, TODAY - timedelta(days=2), views=20, visits=10, visitors=8, bots=3),
            row(site, TODAY - timedelta(days=2), views=2, visits=1, visitors=1, part=2),
        ],
    )
    await service.hit("/a", site="open")
    await service.hit("/b", site="open")
    await service.hit("/b", site="open", User_Agent="Googlebot/2.1")
    found = await history(service, "from=2026-06-07")
    assert (found["unit"], found["from"], found["to"]) == ("day", "2026-06-07", "2026-06-10")
    assert [[point["start"], *(point[name] for name in FIGURES)] for point in found["points"]] == [
        ["2026-06-07", None, None, None, None],  # before counting began nothing is known
        ["2026-06-08", 22, 11, 9, 3],
        ["2026-06-09", 0, 0, 0, 0],
        ["2026-06-10", 2, 1, 1, 1],
    ]
    assert [point["complete"] for point in found["points"]] == [True, True, True, False]
    assert found["meta"]["counting_since"] == "2026-06-08"
    assert found["meta"]["stale"] is False
    assert found["meta"]["as_of"] == "2026-06-10T12:00:00.000+07:00"


@pytest.mark.parametrize("week_start", [1, 7])
async def test_units_add_up(service: Running, week_start: int) -> None:
    """Whatever the unit, the same hits are shown: the sums are those of the days."""
    site = await service.add_site("weeks", public_stats=True, first_weekday=week_start)
    days = [TODAY - timedelta(days=number) for number in range(1, 80)]
    await write(
        service.settings, [row(site, day, views=day.day, visits=day.day, visitors=day.month) for day in days]
    )
    await service.hit(site="weeks")
    ends = "from=2026-04-05&to=2026-06-10"
    by_day = await history(service, ends, "weeks")
    for unit, points in (("week", 11 if week_start == 1 else 10), ("month", 3)):
        found = await history(service, f"unit={unit}&{ends}", "weeks")
        assert len(found["points"]) == points
        assert found["points"][0]["start"] == "2026-04-05"
        assert [summed(found, name) for name in FIGURES] == [summed(by_day, name) for name in FIGURES]
        for point in found["points"][1:]:
            start = date.fromisoformat(point["start"])
            assert start.isoweekday() == week_start if unit == "week" else start.day == 1


@pytest.mark.parametrize("unit", ["week", "month"])
async def test_long_history_is_that_of_its_days(service: Running, site: Site, unit: str) -> None:
    """Years that Postgres sums up say what their days say, with the ledger, days of Redis and one that came late."""
    await write(
        service.settings,
        [
            row(site, TODAY - timedelta(days=number), views=number, visits=number // 2, visitors=7, bots=1)
            for number in range(1, 1200, 3)
        ]
        + [
            row(site, TODAY - timedelta(days=400), views=9, visits=8, visitors=7, part=part)
            for part in (2, 3)
        ],
    )
    late = TODAY - timedelta(days=150)
    await write(service.settings, [row(site, late, views=500, visits=70, visitors=60)])
    async with connected(service.settings.database_url.get_secret_value()) as connection:
        await connection.execute(
            "insert into adjustments (site_id, metric, amount, day, reason, author)"
            " select $1, 'views', 10, day, 'a test', 'a test' from unnest($2::date[]) as day",
            site.id,
            [TODAY - timedelta(days=number) for number in (2, 500, 1202)],
        )
    await service.hit(site="open")
    now_ms, service.clock.now_ms = service.clock.now_ms, service.clock.now_ms - 150 * 86_400_000
    await service.hit(site="open")
    service.clock.now_ms = now_ms
    ends = "from=2022-06-12&to=2026-06-10"
    days = (await history(service, ends))["points"]
    # A bucket that came late never stands for the whole day: it is added once it is rolled up.
    while (views := next(day for day in days if day["start"] == late.isoformat())["views"]) != 501:
        assert views == 500
        days = (await history(service, ends))["points"]
    found = await history(service, f"unit={unit}&{ends}")
    assert found["points"][0]["views"] is None
    for point in found["points"]:
        within = [day for day in days if point["start"] <= day["start"] <= point["end"]]
        assert within[-1]["end"] == point["end"]
        for name in FIGURES:
            known = [day[name] for day in within if day[name] is not None]
            assert point[name] == (sum(known) if known else None)


async def test_hours_up_to_this_moment(service: Running, site: Site) -> None:
    """Hours are the site's own, from midnight to the one that runs, rolled up or not."""
    await write(service.settings, [row(site, TODAY, views=5, visits=2, hours={8: (5, 2)})])
    await service.hit(site="open")
    found = await history(service, "unit=hour")
    assert len(found["points"]) == 13
    assert {
        point["start"]: (point["views"], point["visits"]) for point in found["points"] if point["views"]
    } == {
        "2026-06-10T08:00:00+07:00": (5, 2),
        "2026-06-10T12:00:00+07:00": (1, 1),
    }
    assert {(point["visitors"], point["bots"]) for point in found["points"]} == {(None, None)}
    assert [point["complete"] for point in found["points"]] == [True] * 12 + [False]
    while await rolled_up_views(service, "open") != 6:
        pass
    assert (await history(service, "unit=hour"))["points"] == found["points"]
    await service.hit(site="open")
    assert summed(await history(service, "unit=hour"), "views") == 7


async def rolled_up_views(service: Running, site: str) -> int:
    """What Postgres has."""
    connection = await asyncpg.connect(service.settings.database_url.get_secret_value())
    try:
        views: int = await connection.fetchval("select views from site_totals where site = $1", site)
        return views
    finally:
        await connection.close()


async def test_days_of_summer_time(settings: Settings) -> None:
    """A day of 23 hours has 23 points, one of 25 has one hour that is twice as long."""
    clock = SetClock(1_774_796_400_000)  # 2026-03-29T17:00 in Berlin
    async with running(settings, clock) as service:
        site = await service.add_site("berlin", public_stats=True, time_zone="Europe/Berlin")
        await write(settings, [row(site, date(2025, 10, 26), views=9, visits=9, hours={2: (9, 9)})])
        spring = await history(service, "unit=hour&from=2026-03-28&to=2026-03-29", "berlin")
        starts = [point["start"] for point in spring["points"] if point["start"] >= "2026-03-29"]
        assert starts[:3] == [
            "2026-03-29T00:00:00+01:00",
            "2026-03-29T01:00:00+01:00",
            "2026-03-29T03:00:00+02:00",
        ]
        autumn = await history(service, "unit=hour&from=2025-10-26&to=2025-10-26", "berlin")
        assert len(autumn["points"]) == 24
        assert autumn["points"][2] == {
            "start": "2025-10-26T02:00:00+02:00",
            "end": "2025-10-26T03:00:00+01:00",
            "views": 9,
            "visits": 9,
            "visitors": None,
            "bots": None,
            "complete": True,
        }


async def test_today_is_the_sites_day(settings: Settings) -> None:
    """At one moment, it is another day in another zone, and `to` never goes beyond it."""
    async with running(settings, SetClock()) as service:
        for key, zone, today in (
            ("kiritimati", "Pacific/Kiritimati", "2026-06-10"),
            ("honolulu", "Pacific/Honolulu", "2026-06-09"),
        ):
            await service.add_site(key, public_stats=True, time_zone=zone)
            await service.hit(site=key)
            found = await history(service, "to=2026-12-31", key)
            assert (found["to"], found["points"][-1]["views"]) == (today, 1)


@pytest.mark.parametrize(
    "query",
    [
        "unit=year",
        "unit=",
        "from=yesterday",
        "from=2026-13-01",
        "from=20260601",
        "from=2026-W23-1",
        "from=0001-01-01",
        "to=9999-12-31",
        "from=2026-06-02&to=2026-06-01",
        "from=2016-01-01",
        "unit=hour&from=2026-05-01",
        "format=xml",
        "from=2026-06-01%00",
        "from=٢٠٢٦-٠٦-٠١",
    ],
)
async def test_what_cannot_be_asked(service: Running, site: Site, query: str) -> None:
    """A wrong or too long period is told, not guessed."""
    response = await service.get(f"/v1/sites/{site.key}/history?{query}")
    assert (response.status, response.content_type) == (400, "application/problem+json")


async def test_future_has_no_points(service: Running, site: Site) -> None:
    """A period that has not begun has no points, rather than zeros."""
    found = await history(service, "from=2026-07-01&to=2026-07-31")
    assert found["points"] == []
    for unit in UNITS:
        assert (await history(service, f"unit={unit}&from=2026-07-01&to=2026-07-02"))["points"] == []


async def test_ten_years_come_from_one_index(service: Running, site: Site, database_url: str) -> None:
    """3,660 days are one query that reads the index of the history alone."""
    rows = [
        row(site, TODAY - timedelta(days=number), views=number, visits=1, visitors=1)
        for number in range(1, 3660)
    ]
    await write(service.settings, rows)
    found = await history(service, f"from={TODAY - timedelta(days=3659)}")
    assert len(found["points"]) == 3660
    assert summed(found, "views") == sum(range(3660))
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("vacuum analyze aggregates")
        text = read_query("widget.days").replace("$1", str(site.id))
        text = text.replace("$2", "'2016-06-02'").replace("$3", "'2026-06-10'")
        text = text.replace("$4", "'2026-04-01'").replace("$5", "'{2016-06-02, 2020-01-01}'")
        plan = "\n".join(line[0] for line in await connection.fetch("explain " + text))
    finally:
        await connection.close()
    assert plan.count("Index Only Scan using aggregates_history") == plan.count("on aggregates") == 4, plan


async def test_csv_for_spreadsheets(service: Running, site: Site) -> None:
    """The same figures come as a CSV file, what is not known as an empty cell."""
    await write(service.settings, [row(site, TODAY - timedelta(days=1), views=7, visits=3, visitors=2)])
    for headers, query in (({}, "&format=csv"), ({"Accept": "text/csv"}, "")):
        response = await service.get(f"/v1/sites/open/history?from=2026-06-08{query}", **headers)
        assert (response.status, response.content_type) == (200, "text/csv")
        assert response.headers["Content-Disposition"] == (
            'attachment; filename="open-day-2026-06-08-2026-06-10.csv"'
        )
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        text = (await response.read()).decode("utf-8-sig")
        assert list(csv.reader(io.StringIO(text))) == [
            ["start", "end", "views", "visits", "visitors", "bots", "complete", "stale"],
            ["2026-06-08", "2026-06-08", "", "", "", "", "true", "false"],
            ["2026-06-09", "2026-06-09", "7", "3", "2", "0", "true", "false"],
            ["2026-06-10", "2026-06-10", "0", "0", "0", "0", "false", "false"],
        ]


async def test_history_travels_like_the_numbers(service: Running, site: Site) -> None:
    """Any page may read it, caches keep it for moments, an unchanged one answers 304, HEAD has no body."""
    for address in ("/v1/sites/open/history", "/v1/sites/open/top"):
        first = await service.get(address, Origin="https://other.example")
        assert first.headers["Access-Control-Allow-Origin"] == "*"
        assert first.headers["Cache-Control"] == "public, max-age=10, stale-while-revalidate=60"
        assert first.headers["Vary"] == "Accept"
        service.clock.now_ms += 1000
        again = await service.get(address, If_None_Match=first.headers["ETag"])
        assert (again.status, await again.read()) == (304, b"")
        head = await service.session.head(service.public + address)
        assert (head.status, await head.read()) == (200, b"")
        options = await service.session.options(service.public + address)
        assert options.headers["Access-Control-Allow-Methods"] == "GET, HEAD, OPTIONS"


async def test_stale_history_says_so(settings: Settings, redis_url: str) -> None:
    """Without Redis the last good history goes on with its mark; one never read is a 503, never zeros."""
    async with (
        proxied(redis_url) as link,
        running(settings.model_copy(update={"redis_url": SecretStr(link.url)}), SetClock()) as service,
    ):
        await service.add_site("open", public_stats=True)
        await service.hit(site="open")
        good = {unit: await history(service, f"unit={unit}") for unit in ("hour", "day")}
        link.refuses = True
        link.cut()
        service.clock.now_ms += 60_000
        for unit, before in good.items():
            response = await service.get(f"/v1/sites/open/history?unit={unit}")
            found = await response.json()
            assert (response.status, response.headers["Cache-Control"]) == (200, "no-cache")
            assert found["points"] == before["points"]
            assert found["meta"] == before["meta"] | {"stale": True}
        unread = await service.get("/v1/sites/open/top")
        assert (unread.status, unread.content_type) == (503, "application/problem+json")


async def test_history_without_postgres(service: Running, site: Site, postgres: Postgres) -> None:
    """Without Postgres what was read before is shown as stale; what was not is refused."""
    await service.hit(site="open")
    good = await history(service)
    postgres.kill()
    found = await history(service)
    assert found["points"] == good["points"]
    assert found["meta"]["stale"] is True
    refused = await service.get("/v1/sites/open/history?unit=hour&from=2026-06-01")
    assert (refused.status, refused.headers["Retry-After"]) == (503, "5")
    assert (await refused.json())["detail"] == "Postgres did not answer, or refused."


async def top(service: Running, query: str = "") -> list[tuple[str, int]]:
    response = await service.get(f"/v1/sites/open/top?{query}")
    assert response.status == 200, await response.text()
    return [(page["path"], page["views"]) for page in (await response.json())["pages"]]


async def test_top_pages_up_to_this_moment(service: Running, site: Site) -> None:
    """Pages of closed days and of today are added up, each hit once, whether it is rolled up or not."""
    await write(
        service.settings,
        [
            row(site, TODAY - timedelta(days=3), views=10, pages={"/a": 4, "/b": 6}),
            row(site, TODAY - timedelta(days=40), views=99, pages={"/old": 99}),
        ],
    )
    for path in ("/a", "/a", "/a", "/c"):
        await service.hit(path, site="open")
    expected = [("/a", 7), ("/b", 6), ("/c", 1)]
    assert await top(service) == expected
    while await rolled_up_views(service, "open") != 113:
        pass
    assert await top(service) == expected
    await service.hit("/a", site="open")
    assert await top(service, "limit=1") == [("/a", 8)]
    assert await top(service, "from=2026-06-10") == [("/a", 4), ("/c", 1)]
    assert await top(service, "from=2026-04-01&to=2026-05-01") == [("/old", 99)]


async def test_top_pages_across_generations(service: Running, site: Site) -> None:
    """After Redis lost everything, the rows of before stay in the sums, and nothing is counted twice."""
    await service.hit("/a", site="open")
    while await rolled_up_views(service, "open") != 1:
        pass
    async with Redis.from_url(service.settings.redis_url.get_secret_value()) as client:
        await client.flushall()
    await service.hit("/a", site="open")
    assert await top(service) == [("/a", 2)]
    assert summed(await history(service, "unit=hour"), "views") == 2
    assert summed(await history(service), "views") == 2


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "limit=٣", "limit=-1", "from=2025-06-01", "format=html"]
)
async def test_what_cannot_be_asked_of_pages(service: Running, site: Site, query: str) -> None:
    """A wrong number of pages or a period of more than a year is told."""
    assert (await service.get(f"/v1/sites/{site.key}/top?{query}")).status == 400


async def test_markup_in_a_page_stays_data(service: Running, site: Site) -> None:
    """A path with quotes, markup or a formula comes back as it is, and no spreadsheet runs it."""
    path = '/<img onerror="a">,=CMD()'
    await service.hit(path, site="open")
    assert await top(service) == [(path, 1)]
    text = (await (await service.get("/v1/sites/open/top?format=csv")).read()).decode("utf-8-sig")
    assert list(csv.reader(io.StringIO(text))) == [["path", "views", "stale"], [path, "1", "false"]]
