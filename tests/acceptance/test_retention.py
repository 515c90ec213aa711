"""What is kept no longer, in a running service: what it shows stays, and what is not known is said to be so."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from counter.clock import system_clock
from counter.config import Settings
from counter.database import connected
from tests.acceptance.conftest import running
from tests.acceptance.past import row, write
from tests.acceptance.test_backup import Owner
from tests.acceptance.test_check import Behind, zone_at_noon

STEP_MS = 61_000


@pytest.mark.parametrize("day_months", [0, 24])
async def test_hours_are_unknown_and_nothing_falls(settings: Settings, day_months: int) -> None:
    """The old hours are null, not 0; totals and views of pages stay; the audit is content."""
    clock, zone = Behind(0), zone_at_noon()
    async with (
        running(settings, clock) as service,
        connected(settings.database_url.get_secret_value()) as connection,
    ):
        site = await service.add_site(time_zone=zone, public_stats=True, day_months=day_months)
        await connection.execute("update sites set changed_at = now() - interval '1 day'")
        today = datetime.fromtimestamp(system_clock() / 1000, ZoneInfo(zone)).date()
        ages = (95, 900)
        rows = [
            row(
                site, today - timedelta(days=age), views=5, visits=3, visitors=2, bots=1,
                hours={9: (5, 3)}, pages={"/a": 4, "/b": 1},
            )
            for age in ages
        ]  # fmt: skip
        await write(settings, rows)
        await connection.execute("update aggregates set rolled_up_at = now() - interval '2 days'")
        await service.hit()
        total, pages = await service.widget(metric="views"), "/v1/sites/portal/pages?path=/a&path=/b"
        views = await (await service.get(pages)).json()
        old = (
            "select (select count(*) from aggregates where hour_views is not null and day < $1)"
            " + (select count(*) from page_aggregates where day < $2)"
            " + (select count(*) from aggregates where day < $2 and $3)"
        )
        limits = (today - timedelta(days=90), today - timedelta(days=800), bool(day_months))
        while await connection.fetchval(old, *limits):
            clock.behind_ms -= STEP_MS  # so that the next rollup takes a step
            done = await service.metric("counter_rollup_seconds_count")
            while await service.metric("counter_rollup_seconds_count") < done + 2:
                pass
        assert await service.metric('counter_rollup_removed_rows_total{table="page_aggregates"}') == 2
        day = today - timedelta(days=95)
        asked = f"/v1/sites/portal/history?from={day}&to={day}&unit="
        hours = (await (await service.get(asked + "hour")).json())["points"]
        assert {(point["views"], point["visits"]) for point in hours} == {(None, None)}
        (point,) = (await (await service.get(asked + "day")).json())["points"]
        assert (point["views"], point["visits"], point["visitors"], point["bots"]) == (5, 3, 2, 1)
        long_ago = today - timedelta(days=900)
        top = await service.get(f"/v1/sites/portal/top?from={long_ago}&to={long_ago}")
        assert top.status == 400
        assert "kept for 25 months" in await top.text()

        shell = Owner(settings)
        # The base is made anew from Postgres, and is the same.
        await shell.must("adjust", "portal", "--add", "0", "--reason", "new base", "--author", "test")
        assert (await service.widget(metric="views"))["total"] == total["total"] == 11
        assert await (await service.get(pages)).json() == views
        said = await shell.must("check", "--wait", "30")
        assert "checks are good" in said
        days = (await shell.must("export", "portal")).splitlines()
        assert (days[1] == '"portal",,5,3,2,1') == bool(day_months)
        assert '"portal","/a",,4' in await shell.must("export", "portal", "--table", "pages")
