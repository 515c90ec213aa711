"""A real access log becomes a site's history: the right figures, once."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from counter.config import Settings
from counter.errors import ImportFileError
from counter.hits.bots import is_bot
from counter.imports.plan import Options
from tests.acceptance.archive import EVERYTHING, LOG, VIEWS, Archive, opened, unpacked
from tests.acceptance.conftest import NOON, Running

DAYS = [date(2015, 5, day) for day in (17, 18, 19, 20)]
LINE = '192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 1 "-" "Mozilla/5.0 (X11)"\n'


@pytest.fixture
async def archive(settings: Settings) -> AsyncIterator[Archive]:
    async with opened(settings) as found:
        yield found


def read_log() -> list[tuple[str, datetime, str, str]]:
    """The log in a few lines of its own: address, time, request with status, agent."""
    lines = b"".join(unpacked()).decode().splitlines()
    return [
        (
            line.split(" ", 1)[0],
            datetime.strptime(line[line.index("[") + 1 : line.index("]")], "%d/%b/%Y:%H:%M:%S %z"),
            " ".join(line.split('"')[1:3]),
            line.split('"')[5],
        )
        for line in lines
    ]


def find_visits() -> Counter[tuple[date, int]]:
    """Visits by day and hour: of one address and agent, a request 30 minutes or more after the one before."""
    times = defaultdict(list)
    for address, at, _request, agent in read_log():
        times[address, agent].append(at)
    starts: Counter[tuple[date, int]] = Counter()
    for found in map(sorted, times.values()):
        for before, at in zip([None, *found], found, strict=False):
            if before is None or (at - before).total_seconds() >= 1800:
                starts[at.date(), at.hour] += 1
    return starts


async def test_whole_log_has_the_figures_of_goaccess(archive: Archive) -> None:
    """Views and visitors are those of GoAccess 1.7, and visits those of the rule, by the hour."""
    tally = await archive.take()
    days, visits = await archive.days(), find_visits()
    assert [row["day"] for row in days] == DAYS
    assert [row["views"] for row in days] == VIEWS
    for row, visitors in zip(days, (365, 660, 586, 533), strict=True):
        assert row["visitors"] == visitors
        assert row["hour_visits"] == [visits[row["day"], hour] for hour in range(24)]
        assert row["visits"] == sum(row["hour_visits"])
        assert row["views"] == sum(row["hour_views"])
    views = Counter((at.date(), at.hour) for _address, at, _request, _agent in read_log())
    assert [row["hour_views"] for row in days] == [[views[day, hour] for hour in range(24)] for day in DAYS]
    pages = (await archive.rows())["page_aggregates"]
    assert sum(row["views"] for row in pages) == 10_000
    assert tally is not None
    assert (tally.lines, tally.views, tally.bots, tally.malformed, tally.late) == (10_000, 10_000, 0, 0, 0)
    assert await archive.leftovers() == []


async def test_days_are_those_of_the_site(archive: Archive) -> None:
    """A request at 17:05 UTC is of the next day in Vietnam."""
    await archive.remove_site()
    await archive.add_site(time_zone="Asia/Ho_Chi_Minh")
    await archive.take()
    local = Counter(
        datetime.fromtimestamp(at.timestamp() + 7 * 3600, UTC).date() for _, at, _, _ in read_log()
    )
    assert {row["day"]: row["views"] for row in await archive.days()} == local


async def test_pages_count_and_bots_are_apart_by_default(archive: Archive) -> None:
    """What is counted is what would have been counted live, and every line is accounted for."""
    tally = await archive.take(options=Options())
    assert tally is not None
    assert tally.views + tally.bots + tally.skipped.total() + tally.malformed == tally.lines == 10_000
    days = await archive.days()
    assert (sum(row["views"] for row in days), sum(row["bots"] for row in days)) == (tally.views, tally.bots)
    home = [
        is_bot(agent)
        for _address, _at, request, agent in read_log()
        if request.startswith(("GET / ", "GET /?")) and request.split()[3] in {"200", "304"}
    ]
    pages = (await archive.rows())["page_aggregates"]
    assert sum(row["views"] for row in pages if row["path"] == "/") == home.count(False) > 100
    assert all(not row["path"].endswith((".png", ".css", ".js")) for row in pages)


async def test_same_file_again_changes_nothing(archive: Archive, tmp_path: Path) -> None:
    """Not a row of any table, whether the file is packed or not and whatever its name."""
    assert await archive.take() is not None
    before = await archive.rows()
    plain = tmp_path / "renamed.log"
    plain.write_bytes(b"".join(unpacked()))
    for path in (LOG, plain, LOG):
        assert await archive.take(path) is None
    assert await archive.rows() == before
    for options in (Options(), Options("all"), Options("pages", "in")):
        with pytest.raises(ImportFileError, match="was imported with requests=all bots=in, and that stays"):
            await archive.take(plain, options=options)
    with plain.open("a", encoding="utf-8") as file:
        file.write(LINE)
    with pytest.raises(ImportFileError, match="begins with 10000 lines that were imported"):
        await archive.take(plain)
    assert await archive.rows() == before
    assert await archive.leftovers() == []


async def test_malformed_lines_are_reported(archive: Archive, tmp_path: Path) -> None:
    """Garbage is counted, shown by its line number, and nothing else suffers."""
    path = tmp_path / "some.log"
    junk = ["\x00\x1b[31mred\n", "[bold]\n", "\n", LINE[:40] + "\n", "\udcff\udcfe\n", "x" * 200_000 + "\n"]
    path.write_text(LINE + "".join(junk) + LINE, encoding="utf-8", errors="surrogateescape")
    tally = await archive.take(path)
    assert tally is not None
    assert (tally.lines, tally.views, tally.malformed) == (8, 2, 6)
    assert [example.number for example in tally.examples] == [2, 3, 4, 5, 6]
    assert [(row["views"], row["visits"]) for row in await archive.days()] == [(2, 1)]
    (imported,) = (await archive.rows())["imports"]
    assert (imported["file_name"], imported["lines"], imported["malformed"]) == ("some.log", 8, 6)


@pytest.mark.parametrize("content", ["", "no log\nat all\n", "<html>\n"])
async def test_file_that_is_no_log_is_refused(archive: Archive, tmp_path: Path, content: str) -> None:
    """The wrong file is told from an empty history, and leaves nothing behind."""
    path = tmp_path / "wrong"
    path.write_text(content)
    with pytest.raises(ImportFileError, match="has no line of an access log"):
        await archive.take(path)
    assert (await archive.rows())["imports"] == []
    assert await archive.leftovers() == []


async def test_command_says_what_it_did(archive: Archive, tmp_path: Path) -> None:
    """The report tells each line's fate and cannot be made to steer the terminal; errors are one line."""
    path = tmp_path / "some.log"
    path.write_text("\x1b[31m[red]\n" + LINE)
    for words, code, said in (
        (
            (path,),
            0,
            "2 lines: 1 views counted, 0 by bots apart\nmalformed 1, such as\n  line 1: '\\x1b[31m[red]'",
        ),
        (
            (path, "--bots", "skip"),
            1,
            "counter: some.log was imported with requests=all bots=in, and that stays",
        ),
        ((path, "--site", "no"), 1, "counter: there is no site no"),
        ((tmp_path / "none",), 2, "does not exist"),
    ):
        process = await archive.command(*words)
        output, _ = await process.communicate()
        assert said in output.decode()
        assert b"\x1b" not in output
        assert process.returncode == code


async def test_order_of_lines_within_the_window_does_not_matter(archive: Archive, tmp_path: Path) -> None:
    """Servers note requests when they are answered, which is not the order in which they came."""
    path = tmp_path / "reversed.log"
    path.write_bytes(b"".join(reversed(unpacked())))
    tally = await archive.take(path)
    assert tally is not None
    assert tally.late == 0
    visits = find_visits()
    assert [row["hour_visits"] for row in await archive.days()] == [
        [visits[day, hour] for hour in range(24)] for day in DAYS
    ]


async def test_two_imports_at_once_are_one(archive: Archive) -> None:
    """While one import into a site is under way, a second one is refused."""
    outcomes = await asyncio.gather(archive.take(), archive.take(), return_exceptions=True)
    (refused,) = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert str(refused) == "another import into this site is under way"
    assert [row["views"] for row in await archive.days()] == VIEWS


async def test_widget_grows_and_nobody_seems_online(service: Running) -> None:
    """A running service shows the history within a second, and present visitors stay as they are."""
    async with Redis.from_url(service.settings.redis_url.get_secret_value()) as redis:
        archive = Archive(service.settings, redis)
        await service.add_site("old", time_zone="UTC", metric="views")
        await service.hit("/presentations", site="old")
        before = await service.widget("old")
        kept = await live_keys(redis)
        await archive.take()
        after = await service.widget("old")
        assert (before["total"], after["total"]) == (1, 10_001)
        same = ("online", "today", "yesterday", "week", "month")
        assert [after[name] for name in same] == [before[name] for name in same] == [1, 1, 0, 1, 1]
        assert await live_keys(redis) == kept
        pages = await (await service.get("/v1/sites/old/pages?path=/presentations&path=/")).json()
        assert {page["path"]: page["views"] for page in pages["pages"]}["/"] > 100
        await service.hit("/presentations", site="old")
        assert (await service.widget("old"))["total"] == 10_002


async def live_keys(redis: Redis) -> dict[bytes, Any]:
    """Who was seen and is present in the live lane."""
    keys = [key async for key in redis.scan_iter("counter:{0}:site:old:*")]
    return {key: await redis.zrange(key, 0, -1, withscores=True) for key in keys if key.endswith(b"seen")}


async def test_log_of_today_adds_to_live_counts(service: Running, tmp_path: Path) -> None:
    """A day that is counted live, too, is refused, or added to if that is asked for."""
    async with Redis.from_url(service.settings.redis_url.get_secret_value()) as redis:
        archive = Archive(service.settings, redis)
        await service.add_site("old", time_zone="UTC", metric="views")
        await service.hit(site="old")
        at = datetime.fromtimestamp(NOON / 1000 - 3600, UTC)
        path = tmp_path / "today.log"
        path.write_text(LINE.replace("17/May/2015:10:05:03", f"{at:%d/%b/%Y:%H:%M:%S}") * 3)
        before = await archive.rows()
        with pytest.raises(ImportFileError, match="1 of these days are counted already"):
            await archive.take(path)
        assert (await archive.rows())["imports"] == before["imports"] == []
        assert await archive.leftovers() == []
        await archive.take(path, adds=True)
        shown = await service.widget("old")
        assert (shown["today"], shown["total"]) == (4, 4)
        assert (await service.widget("old", metric="visitors"))["today"] == 2


async def test_days_of_another_import_are_refused(archive: Archive, tmp_path: Path) -> None:
    """A log that was imported in part counts no line twice, unless it is told to add."""
    lines = unpacked()
    part = tmp_path / "part.log"
    part.write_bytes(b"".join(lines[:3000]))
    await archive.take(part)
    before = await archive.history()
    whole = tmp_path / "whole.log"
    whole.write_bytes(b"".join([lines[-1], *lines]))
    with pytest.raises(ImportFileError, match="2 of these days are counted already, from 2015-05-17"):
        await archive.take(whole)
    assert await archive.history() == before
    await archive.take(whole, adds=True)
    assert sum(row["views"] for row in await archive.days()) == 13_001


async def test_many_files_and_processes_are_one_log(archive: Archive, tmp_path: Path) -> None:
    """Files in any order, read by several processes, leave the rows of the whole log read by one."""
    await archive.take()
    expected = await archive.history()
    await archive.remove_site()
    await archive.add_site()
    lines = unpacked()
    paths = [tmp_path / name for name in ("z.log", "b.log", "a.log")]
    for path, part in zip(paths, (lines[:3000], lines[3000:7000], lines[7000:]), strict=True):
        path.write_bytes(b"".join(part))
    tally = await archive.take(*reversed(paths), jobs=2)
    assert tally is not None
    assert (tally.lines, tally.views) == (10_000, 10_000)
    found = await archive.history()
    assert found["imports"][0].pop("file_name") == "z.log b.log a.log"
    del expected["imports"][0]["file_name"]
    assert found == expected
    assert await archive.take() is None


async def test_days_after_until_are_left_out(archive: Archive) -> None:
    """What was counted live is left out of a log by its day."""
    tally = await archive.take(options=EVERYTHING._replace(until=DAYS[1]))
    assert tally is not None
    assert tally.skipped == {"after --until": sum(VIEWS[2:])}
    assert [row["views"] for row in await archive.days()] == VIEWS[:2]


async def test_command_takes_patterns_and_formats(archive: Archive, tmp_path: Path) -> None:
    """A log of IIS in two files that a pattern names, and a format of one's own."""
    head = b"#Software: Microsoft Internet Information Services 10.0\n#Version: 1.0\n"
    fields = b"#Fields: date time cs-method cs-uri-stem cs-uri-query c-ip cs(User-Agent) sc-status\n"
    for name, day in (("u_ex2.log", b"18"), ("u_ex1.log", b"17")):
        line = b"2015-05-" + day + b" 10:05:03 GET /tin/ - 192.0.2.1 Mozilla/5.0+(X11;+Linux+x86_64) 200\n"
        (tmp_path / name).write_bytes(head + fields + line)
    custom = tmp_path / "custom.log"
    custom.write_text("192.0.2.9|2015-05-19T10:05:03+00:00|GET /b HTTP/2.0|200\n")
    for words, said in (
        ((tmp_path / "u_ex*.log",), "8 lines: 2 views counted, 0 by bots apart\nskipped 6: a directive"),
        ((custom, "--format", "$remote_addr|$time_iso8601|$request|$status"), "1 lines: 1 views counted"),
        (
            (custom, "--format", "$remote_addr|$status"),
            "lacks a time ($time_local or $time_iso8601 or $msec)",
        ),
    ):
        process = await archive.command(*words)
        output, _ = await process.communicate()
        assert said in output.decode()
    assert [(row["day"].day, row["views"]) for row in await archive.days()] == [(17, 1), (18, 1), (19, 1)]


async def test_dry_run_of_a_log_changes_nothing(archive: Archive) -> None:
    """It tells what the site would show, and leaves no row and no key."""
    empty = await archive.history()
    process = await archive.command(LOG, "--dry-run")
    output, _ = await process.communicate()
    assert process.returncode == 0
    assert "total views" in output.decode()
    assert "a dry run: nothing was changed" in output.decode()
    assert await archive.history() == empty
    assert await archive.leftovers() == []
