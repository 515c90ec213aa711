"""From the beacon through Redis and Postgres to the widget, over HTTP."""

import json
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from redis.asyncio import Redis

from counter.config import Settings
from counter.database import connected
from tests.acceptance.conftest import NOON, PERSON, Running, SetClock, running

MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS
OTHER_PERSON = PERSON.replace("130", "131")


async def test_hit_raises_the_five_numbers_and_answers_with_them(service: Running) -> None:
    """The hit's own answer holds the numbers with the hit in them, so that a page needs one request."""
    answer = await (await service.hit("/tin-tuc/bai-1/?utm_source=x")).json()
    assert {name: answer[name] for name in ("online", "today", "yesterday", "week", "month", "total")} == {
        "online": 1, "today": 1, "yesterday": 0, "week": 1, "month": 1, "total": 1,
    }  # fmt: skip
    assert answer["page"] == {"path": "/tin-tuc/bai-1", "views": 1}
    again = await (await service.hit("/tin-tuc/bai-1")).json()
    assert (again["total"], again["page"]["views"]) == (1, 2)
    other = await (await service.hit("/tin-tuc/bai-1", User_Agent=OTHER_PERSON)).json()
    assert (other["online"], other["total"], other["page"]["views"]) == (2, 2, 3)


async def test_widget_describes_its_numbers(service: Running) -> None:
    """A number says what it counts, in which zone and window, as of when, how exactly, and that it is fresh."""
    await service.hit()
    found = await service.widget()
    assert found["meta"] == {
        "metric": "visits",
        "unit": "lượt truy cập",
        "definition": "a visitor's first view after at least 30 minutes without one, on the day it begins",
        "time_zone": "Asia/Ho_Chi_Minh",
        "week_start": 1,
        "online_window_seconds": 300,
        "as_of": "2026-06-10T12:00:00.000+07:00",
        "stale": False,
        "accuracy": "exact",
    }
    assert all(
        type(found[name]) is int for name in ("online", "today", "yesterday", "week", "month", "total")
    )


async def test_each_metric_counts_its_own(service: Running) -> None:
    """Three views of two people in two visits and one more after the timeout: views 4, visits 3, visitors 2."""
    for agent in (PERSON, PERSON, OTHER_PERSON):
        await service.hit(User_Agent=agent)
    service.clock.now_ms += 30 * MINUTE_MS
    await service.hit()
    totals = {
        metric: (await service.widget(metric=metric))["total"] for metric in ("views", "visits", "visitors")
    }
    assert totals == {"views": 4, "visits": 3, "visitors": 2}
    assert (await service.widget(metric="visitors"))["meta"]["accuracy"] == "estimate"
    assert (await service.get("/v1/sites/portal/widget?metric=people")).status == 400


async def test_periods_follow_the_site_calendar(service: Running) -> None:
    """Today, yesterday, week and month are the site's; a visit on Sunday is of the week before."""
    sunday = int(datetime(2026, 6, 6, 18, tzinfo=UTC).timestamp() * 1000)  # Sunday 01:00 in Vietnam
    for at_ms in (sunday - 40 * DAY_MS, sunday, sunday + DAY_MS, NOON - DAY_MS, NOON):
        service.clock.now_ms = at_ms
        await service.hit(query="?quiet=1")
    found = await service.widget()
    assert {name: found[name] for name in ("today", "yesterday", "week", "month", "total")} == {
        "today": 1, "yesterday": 1, "week": 3, "month": 4, "total": 5,
    }  # fmt: skip


async def test_online_slides_and_a_heartbeat_keeps_it(service: Running) -> None:
    """A visitor is online for five minutes after the last view or heartbeat; a heartbeat counts nothing."""
    await service.hit()
    service.clock.now_ms += 4 * MINUTE_MS
    assert (await service.post("/v1/heartbeats", '{"site":"portal"}')).status == 204
    service.clock.now_ms += 4 * MINUTE_MS
    assert (await service.widget(metric="views"))["online"] == 1
    service.clock.now_ms += MINUTE_MS
    found = await service.widget(metric="views")
    assert (found["online"], found["total"]) == (0, 1)


async def test_visit_over_midnight_counts_on_the_day_it_starts(service: Running) -> None:
    """Reading on past midnight, with another day's salt, is the same visit and the same one visitor online."""
    service.clock.now_ms = NOON + 12 * 60 * MINUTE_MS - MINUTE_MS
    await service.hit()
    service.clock.now_ms += 2 * MINUTE_MS
    await service.hit()
    found = await service.widget()
    assert (found["online"], found["today"], found["yesterday"], found["total"]) == (1, 0, 1, 1)


async def test_pages_are_answered_together_in_order(service: Running) -> None:
    """One call tells the views of many pages, in the order asked, however they are spelt."""
    for path in ("/a", "/a/", "/b/index.html"):
        await service.hit(path)
    response = await service.get("/v1/sites/portal/pages?path=/b&path=/a&path=/new")
    assert (await response.json())["pages"] == [
        {"path": "/b", "views": 1}, {"path": "/a", "views": 2}, {"path": "/new", "views": 0},
    ]  # fmt: skip
    assert (await service.get("/v1/sites/portal/pages")).status == 400


async def test_a_long_list_of_pages_is_asked_for_in_a_body(service: Running) -> None:
    """A body holds more paths than a URL; up to 500 are answered in order, and one more is refused."""
    await service.hit("/bài-viết-7")
    paths = [f"/bài-viết-{number}" for number in range(500)]
    address = "/v1/sites/portal/pages"
    found = await (await service.post(address, json.dumps({"paths": paths}))).json()
    assert [page["path"] for page in found["pages"]] == paths
    assert [page["views"] for page in found["pages"]] == [0] * 7 + [1] + [0] * 492
    for body, status in (
        (json.dumps({"paths": [*paths, "/"]}), 400),
        ('{"paths": []}', 400),
        ('{"paths": [7]}', 400),
        ("[]", 400),
        ("\xff", 400),
        (json.dumps({"paths": ["/" + "x" * 270_000]}), 413),
    ):
        assert (await service.post(address, body)).status == status


async def test_a_bad_path_does_not_spoil_a_list(service: Running) -> None:
    """What is no path has no views; the other pages of the list have theirs."""
    await service.hit("/a")
    bad = ["", "a", "javascript:alert(1)", "/\x00", "/" + "x" * 3000]
    body = json.dumps({"paths": ["/a", *bad, "/a/"]})
    found = await (await service.post("/v1/sites/portal/pages", body)).json()
    assert [page["views"] for page in found["pages"]] == [1, None, None, None, None, None, 1]
    assert [page["path"] for page in found["pages"]] == ["/a", *bad, "/a"]
    only = await (await service.get("/v1/sites/portal/pages?path=nowhere")).json()
    assert only == {"pages": [{"path": "nowhere", "views": None}]}


async def test_paths_may_have_other_names(settings: Settings) -> None:
    """An operator's own names serve the same beside the usual ones, which pages in the world still use."""
    renamed = settings.model_copy(update={"script_path": "/x/dem.js", "api_path": "/x/du-lieu/"})
    async with running(renamed, SetClock()) as service:
        await service.add_site()
        answers = [
            await (await service.get(path)).read() for path in ("/counter.js", "/x/dem.js", "/x/more.js")
        ]
        assert answers[0] == answers[1] != answers[2]
        body = json.dumps({"site": "portal", "path": "/a"})
        for count, address in enumerate(("/x/du-lieu/hits", "/v1/hits"), 1):
            assert (await (await service.post(address, body)).json())["page"]["views"] == count
        widget = await service.get("/x/du-lieu/sites/portal/widget")
        assert (await widget.json())["total"] == 1


async def test_views_of_a_page_go_on_over_days_and_restarts(settings: Settings) -> None:
    """The views beside an article are those of all days, before and after their day is closed."""
    clock = SetClock()
    async with running(settings, clock) as service:
        await service.add_site()
        await service.hit("/a")
        assert (await (await service.hit("/a")).json())["page"]["views"] == 2
    clock.now_ms += 2 * DAY_MS
    async with running(settings, clock) as service:
        assert (await (await service.hit("/a")).json())["page"]["views"] == 3
        while await service.metric('counter_rollup_rows_total{table="aggregates"}') < 2:
            pass
        assert (await (await service.get("/v1/sites/portal/pages?path=/a")).json())["pages"][0]["views"] == 3
        assert (await service.widget(metric="views"))["total"] == 3


async def test_pixel_counts_a_page_without_script(service: Running) -> None:
    """A page without script counts through a picture, which nobody caches."""
    response = await service.get("/v1/hits.gif?site=portal&path=/a")
    assert (response.content_type, response.headers["Cache-Control"]) == ("image/gif", "no-store")
    assert (await response.read()).startswith(b"GIF89a")
    assert (await service.widget(metric="views"))["total"] == 1


async def test_clean_stop_rolls_everything_up(settings: Settings) -> None:
    """After a clean stop every hit is in Postgres, and the next run continues with the same numbers."""
    slow = settings.model_copy(update={"rollup_seconds": 3600.0})
    async with running(slow, SetClock()) as service:
        await service.add_site()
        for person in range(5):
            await service.hit(User_Agent=f"{PERSON} {person}")
        before = await service.widget()
    async with connected(settings.database_url.get_secret_value()) as connection:
        assert await connection.fetchval("select visits from site_totals where site = 'portal'") == 5
    async with running(slow, SetClock()) as service:
        while (await service.get("/v1/sites/portal/widget")).status == 404:
            pass
        assert await service.widget() == before


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "Asia/Tehran", "America/New_York"])
async def test_day_ends_at_the_midnight_of_the_site(service: Running, zone: str) -> None:
    """In any zone, the last millisecond of a day and the first of the next are on their own days."""
    await service.add_site("abroad", time_zone=zone)
    midnight = int(datetime(2026, 3, 1, tzinfo=ZoneInfo(zone)).timestamp() * 1000)
    service.clock.now_ms = midnight - 1
    await service.hit(site="abroad")
    assert (await service.widget("abroad", "views"))["today"] == 1
    service.clock.now_ms = midnight
    found = await service.widget("abroad", "views")
    assert (found["today"], found["yesterday"], found["month"]) == (0, 1, 0)


async def test_only_one_site_is_touched(service: Running) -> None:
    """Sites do not share a number."""
    await service.add_site("other")
    await service.hit()
    assert (await service.widget("other"))["total"] == 0


async def test_readiness_names_what_is_missing(service: Running) -> None:
    """/readyz refuses an evicting policy by name; /healthz goes on; neither is on the public listener."""
    async with service.session.get(service.admin + "/readyz") as response:
        assert (response.status, (await response.json())["status"]) == (200, "ready")
    async with Redis.from_url(service.settings.redis_url.get_secret_value()) as client:
        await client.config_set("maxmemory-policy", "allkeys-lru")
        async with service.session.get(service.admin + "/readyz") as response:
            parts = (await response.json())["parts"]
        await client.config_set("maxmemory-policy", "noeviction")
    assert response.status == 503
    assert "allkeys-lru" in parts["redis"]
    for address in ("/metrics", "/healthz", "/readyz"):
        assert (await service.get(address)).status == 404
    async with service.session.get(service.admin + "/healthz") as response:
        assert response.status == 200


async def test_metrics_tell_what_became_of_hits(service: Running) -> None:
    """Each beacon is in one series by its result, and each site in a series of who is online."""
    await service.hit()
    await service.hit(User_Agent="Googlebot/2.1 (+http://www.google.com/bot.html)")
    assert await service.metric('counter_hits_total{result="view"}') == 1
    assert await service.metric('counter_hits_total{result="bot"}') == 1
    assert await service.metric('counter_site_online_visitors{site="portal"}') == 1
    assert await service.metric("counter_batch_hits_count") == 2
    assert await service.metric('counter_request_seconds_count{route="/v1/hits",status="200"}') == 2
