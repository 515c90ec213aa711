"""The histories of other counters become a site's past: right figures, once, or not at all."""

import json
import os
import shlex
import sys
from asyncio.subprocess import PIPE, STDOUT, create_subprocess_exec
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from counter.clock import system_clock
from counter.config import Settings
from tests.acceptance.archive import Archive, opened
from tests.acceptance.conftest import Running
from tests.rights import with_least_rights

SITE = "b76732ed11a191df5d877c5d75409897"  # md5("portal.example")
TIN = "30c551abbd71aa787dc630f7bd35f57c"  # md5("/tin/")
DATA = Path(__file__).parent.parent / "data" / "imports"


@pytest.fixture
async def archive(settings: Settings) -> AsyncIterator[Archive]:
    async with opened(settings) as found:
        await found.remove_site()
        await found.add_site(time_zone="Asia/Ho_Chi_Minh")
        yield found


async def run(archive: Archive, *words: str | Path, group: str = "import") -> tuple[int, str]:
    """Run `counter import` with the least rights; return its exit code and what it said."""
    least = with_least_rights(archive.settings)
    environment = {
        **os.environ,
        "COLUMNS": "200",
        "COUNTER_REDIS_URL": least.redis_url.get_secret_value(),
        "COUNTER_DATABASE_URL": least.database_url.get_secret_value(),
    }
    named = [str(DATA / word if (DATA / word).is_file() else word) for word in words]
    command = (sys.executable, "-m", "counter", group, *named)
    process = await create_subprocess_exec(*command, env=environment, stdout=PIPE, stderr=STDOUT)
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


async def totals(archive: Archive) -> dict[str, int]:
    rows = await archive.rows()
    return {
        metric: sum(row[metric] for row in rows["aggregates"])
        + sum(row["amount"] for row in rows["adjustments"] if row["metric"] == metric)
        for metric in ("views", "visits", "visitors")
    }


async def test_portal_moves_in(archive: Archive) -> None:
    """A dry run tells what will be and changes nothing; the import does just that, once."""
    empty = await archive.history()
    words = ("nukeviet", "nukeviet.sql", "--site", "old")
    code, dry = await run(archive, *words, "--dry-run")
    assert code == 0
    assert "a dry run: nothing was changed" in dry
    assert await archive.history() == empty
    code, said = await run(archive, *words)
    assert (code, said) == (0, dry.replace("a dry run: nothing was changed\n", ""))
    assert "total visits" in said
    assert await totals(archive) == {"views": 1122, "visits": 249, "visitors": 249}
    kept = await archive.rows()
    (reason,) = {row["reason"] for row in kept["adjustments"]}
    assert reason == "import of nukeviet: nukeviet.sql"
    assert await run(archive, *words) == (0, "nukeviet.sql is already imported, nothing changes\n")
    assert await archive.rows() == kept
    _, audit = await run(archive, "--site", "old", "--json", "--wait", "0", group="check")
    results = {check["check"]: check["result"] for check in json.loads(audit)["checks"]}
    assert {results[name] for name in ("totals", "buckets", "days", "rows", "pages")} == {"good"}


async def test_bad_row_stops_all_of_it(archive: Archive, tmp_path: Path) -> None:
    """Nothing is applied of a file with a bad row, unless it is left out on purpose."""
    path = tmp_path / "some.csv"
    path.write_text("date,views,visits\n2025-01-01,10,5\n2025-01-02,ten,5\n2025-01-03,7,7\n")
    empty = await archive.history()
    code, said = await run(archive, "csv", path, "--site", "old")
    assert code == 1
    assert said == (
        "counter: 1 bad rows, nothing was imported; mend them, or leave them out with --skip-bad:\n"
        "  some.csv line 3: views is no count: 'ten'\n"
    )
    assert await archive.history() == empty
    code, said = await run(archive, "csv", path, "--site", "old", "--skip-bad")
    assert code == 0
    assert "left out 1 bad rows" in said
    assert [row["views"] for row in await archive.days()] == [10, 7]


async def test_no_day_counts_twice(archive: Archive, tmp_path: Path) -> None:
    """Days that have figures are refused, left out with --until, or added to when that is asked for."""
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_text("date,views\n2025-01-02,10\n2025-01-03,10\n")
    second.write_text("date,views\n2025-01-01,1\n2025-01-02,1\n2025-01-03,1\n,5000\n")
    assert (await run(archive, "csv", first, "--site", "old"))[0] == 0
    before = await archive.history()
    code, said = await run(archive, "csv", second, "--site", "old")
    assert code == 1
    assert (
        "2 of these days are counted already, from 2025-01-02 to 2025-01-03: say --until 2025-01-01" in said
    )
    assert await archive.history() == before
    code, said = await run(archive, "csv", second, "--site", "old", "--until", "2025-01-01")
    assert code == 0, said
    assert [row["views"] for row in await archive.days()] == [1, 10, 10]
    assert (await totals(archive))["views"] == 5021
    third = tmp_path / "third.csv"
    third.write_text("date,views\n,4\n")
    code, said = await run(archive, "csv", third, "--site", "old")
    assert (code, said) == (
        1,
        "counter: a total of csv was imported before and would count twice; --add adds to it\n",
    )
    assert (await run(archive, "csv", third, "--site", "old", "--add"))[0] == 0
    assert (await totals(archive))["views"] == 5025


async def test_views_without_a_day_are_in_nobodys_way(archive: Archive, tmp_path: Path) -> None:
    """The day on which views of pages stand whose days nobody knows has no figures of its own."""
    undated, dated = tmp_path / "undated.csv", tmp_path / "dated.csv"
    undated.write_text("path,views\n/a,300\n")
    assert (await run(archive, "csv", undated, "--site", "old"))[0] == 0
    (opening,) = await archive.days()
    dated.write_text(f"date,views,visits\n{opening['day']},10,5\n")
    assert (await run(archive, "csv", dated, "--site", "old"))[0] == 0
    code, said = await run(archive, "csv", undated, "--site", "old")
    assert (code, said) == (0, "undated.csv is already imported, nothing changes\n")
    assert (await totals(archive))["views"] == 310


async def test_widget_and_articles_show_it_at_once(service: Running) -> None:
    """The block and `Lượt xem` have the old numbers within a second, and week and month only what is theirs."""
    async with Redis.from_url(service.settings.redis_url.get_secret_value()) as redis:
        archive = Archive(service.settings, redis)
        service.clock.now_ms = system_clock()  # as the command has it
        await service.add_site("old", metric="visits")
        await service.hit("/news/tin-tuc/hoi-nghi-tong-ket-1.html", site="old")
        assert (await run(archive, "nukeviet", "nukeviet.sql", "--site", "old"))[0] == 0
        shown = await service.widget("old")
        assert [shown[name] for name in ("today", "week", "month", "total")] == [1, 1, 1, 250]
        path = "/news/tin-tuc/hoi-nghi-tong-ket-1.html"
        pages = await (await service.get(f"/v1/sites/old/pages?path={path}")).json()
        assert [page["views"] for page in pages["pages"]] == [970]
        await service.hit(site="old")
        assert (await service.widget("old", metric="views"))["total"] == 1124


async def test_keys_of_a_running_redis(archive: Archive) -> None:
    """Busuanzi is read out of its own Redis, which stays as it is, and counts once."""
    await archive.redis.set("bsz:site_pv:" + SITE, 1000)
    await archive.redis.pfadd("bsz:site_uv:" + SITE, "a", "b", "c")
    await archive.redis.zadd("bsz:page_pv:" + SITE, {"4e9d4b2f8a7d0a0a4d1e1a1a1a1a1a1a": 9, TIN: 700})
    url = archive.settings.redis_url.get_secret_value()
    words = (
        "busuanzi",
        "--site",
        "old",
        "--host",
        "portal.example",
        "--redis",
        url,
        "--sitemap",
        "sitemap.xml",
    )
    code, said = await run(archive, *words)
    assert code == 0, said
    assert await totals(archive) == {"views": 1000, "visits": 3, "visitors": 3}
    assert await run(archive, *words) == (0, "Redis is already imported, nothing changes\n")
    assert await archive.redis.get("bsz:site_pv:" + SITE) == b"1000"


async def test_commands_of_the_documentation(archive: Archive, here: Path) -> None:
    """Each command that docs/importing.md shows does what it says, on the samples."""
    text = (here / "docs" / "importing.md").read_text(encoding="utf-8")
    lines = [
        line.removeprefix("counter import ")
        for line in text.splitlines()
        if line.startswith("counter import ")
    ]
    shown = [line for line in lines if "--redis" not in line and not line.startswith("log ")]
    assert {line.split()[0] for line in shown} == {
        "nukeviet", "joomla", "drupal", "wp-statistics", "goatcounter", "matomo", "umami", "plausible", "busuanzi",
        "vercount", "csv",
    }  # fmt: skip
    for line in shown:
        code, said = await run(
            archive, *shlex.split(line.replace("--site portal", "--site old")), "--dry-run"
        )
        assert (code, line) == (0, line), said
        assert "a dry run" in said
