"""An import that was cut short goes on where it was, and comes to the rows and the report of one that was not."""

import asyncio
import gzip
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process, create_subprocess_exec
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from counter.config import Settings
from counter.database import connected
from counter.embedded.valkey import Valkey
from counter.errors import AggregatesUnavailableError, BucketsUnavailableError, ImportFileError
from counter.imports import parsing, sketches
from counter.imports.plan import Options
from counter.imports.progress import FOLDER
from counter.imports.sketches import Sketches
from counter.imports.store import ImportStore
from counter.imports.tally import Tally
from tests.acceptance.archive import Archive, opened, unpacked
from tests.acceptance.test_import_resumed import KilledError, die, interpose
from tests.rights import with_least_rights

OFTEN = (
    "import counter.imports.progress as progress; progress.EVERY_MS = 0; "
    "from counter.__main__ import main; main()"
)
"""Runs a command as `python -m counter` does, but for keeping the progress as often as 2 % of the time lets it."""
OPTIONS = ("--requests", "all", "--bots", "in", "--jobs", "0")
YEARS = range(2000, 2020)
JUNK = b"192.0.2.66 is no line\n"


@pytest.fixture
async def archive(settings: Settings) -> AsyncIterator[Archive]:
    async with opened(settings) as found:
        yield found


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A log of 200,000 lines, some days of twenty years, with malformed lines in the first and the last."""
    log = b"".join(unpacked())
    years = [log.replace(b"/2015:", b"/%d:" % year) for year in YEARS]
    path = tmp_path / "large.log.gz"
    path.write_bytes(gzip.compress(b"".join([JUNK, *years, JUNK]), 1))
    return path


def kept(archive: Archive) -> list[Path]:
    """The files of progress that are there."""
    return sorted((archive.settings.spool_dir / FOLDER).glob("*"))


async def start(
    archive: Archive, *words: str | Path, program: tuple[str, ...] = ("-m", "counter")
) -> Process:
    """Start `counter import log` into the site `old`."""
    least = with_least_rights(archive.settings)
    environment = {
        **os.environ,
        "COLUMNS": "200",
        "COUNTER_REDIS_URL": least.redis_url.get_secret_value(),
        "COUNTER_DATABASE_URL": least.database_url.get_secret_value(),
        "COUNTER_SPOOL_DIR": str(archive.settings.spool_dir),
    }
    command = (*program, "import", "log", "--site", "old", *OPTIONS, *map(str, words))
    return await create_subprocess_exec(sys.executable, *command, env=environment, stdout=PIPE, stderr=PIPE)


async def run(archive: Archive, *words: str | Path) -> tuple[str, str]:
    """Run it to its end, and return what it said: its report, and how it went."""
    process = await start(archive, *words)
    report, said = await process.communicate()
    assert process.returncode == 0, said
    return report.decode(), said.decode()


async def cut_short(archive: Archive, log: Path, number: int) -> tuple[Process, str]:
    """Send a signal to an import once its progress is kept, and return it and what it said.

    It cannot come to its end before, as that waits for a lock.
    """
    async with connected(archive.settings.database_url.get_secret_value()) as other, other.transaction():
        await other.execute("lock table imports in exclusive mode")
        process = await start(archive, log, program=("-c", OFTEN))
        while process.returncode is None and not any(path.suffix == ".progress" for path in kept(archive)):
            await asyncio.sleep(0.01)
        assert process.returncode is None
        process.send_signal(number)
        async with asyncio.timeout(60):
            _, said = await process.communicate()
    return process, said.decode()


async def anew(archive: Archive) -> None:
    """Put an empty site in place of the one that was imported into."""
    await archive.remove_site()
    await archive.add_site()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
async def test_command_that_was_ended_goes_on(archive: Archive, large: Path, number: int, code: int) -> None:
    """It says after which line, and comes to the very rows and the very report."""
    expected_report, said = await run(archive, large)
    expected = await archive.history()
    assert (said, kept(archive)) == ("", [])
    await anew(archive)
    empty = await archive.history()
    process, said = await cut_short(archive, large, number)
    assert process.returncode == code, said
    assert await archive.history() == empty
    assert kept(archive)
    if number != signal.SIGKILL:
        assert said.startswith("cut short after line ")
        assert "Traceback" not in said
    report, said = await run(archive, large)
    words = said.split()
    assert (words[:4], words[5:]) == (["going", "on", "after", "line"], ["of", "200002"])
    assert 0 < int(words[4]) < 200_002
    assert await archive.history() == expected
    assert report == expected_report
    assert f"line 1: {JUNK.decode().strip()!a}" in report
    assert kept(archive) == []
    assert await archive.leftovers() == []


async def test_afresh_begins_anew(archive: Archive, large: Path) -> None:
    """`--afresh` does not go on, and leaves nothing behind."""
    await cut_short(archive, large, signal.SIGKILL)
    _, said = await run(archive, large, "--afresh")
    assert (said, kept(archive)) == ("", [])
    assert sum(row["views"] for row in await archive.days()) == 200_000


async def test_dry_run_goes_on_and_leaves_nothing(archive: Archive, large: Path) -> None:
    """A dry run takes up what was counted, and changes nothing once it is through."""
    empty = await archive.history()
    await cut_short(archive, large, signal.SIGKILL)
    report, said = await run(archive, large, "--dry-run")
    assert said.startswith("going on after line ")
    assert "a dry run: nothing was changed" in report
    assert (await archive.history(), kept(archive)) == (empty, [])


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    """The log in three files, of which one is packed and one has no last line end, with malformed lines."""
    lines = unpacked()
    paths = tmp_path / "c.log", tmp_path / "b.log.gz", tmp_path / "a.log"
    paths[0].write_bytes(b"".join([*lines[:3000], JUNK]).rstrip(b"\n"))
    paths[1].write_bytes(gzip.compress(b"".join([*lines[3000:3500], JUNK, *lines[3500:7000]])))
    paths[2].write_bytes(b"".join([*lines[7000:9000], lines[10], *lines[9000:]]))
    return paths


def report_of(tally: Tally | None) -> Any:
    assert tally is not None
    return replace(tally, shown=[])


@pytest.mark.parametrize("jobs", [0, 2])
@pytest.mark.parametrize("call", [2, 4, 7, 10])
async def test_many_files_go_on_as_one(
    archive: Archive, files: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch, call: int, jobs: int
) -> None:
    """Figures, days and examples are those of an import that was not cut short."""
    expected_report = report_of(await archive.take(*files))
    expected = await archive.history()
    await anew(archive)
    with monkeypatch.context() as patch:
        interpose(patch, (Sketches, "add", call), die)
        with pytest.raises(KilledError):
            await archive.take(*reversed(files), jobs=jobs)
    found = report_of(await archive.take(*files, jobs=jobs))
    cut, on = archive.said
    assert cut.startswith("cut short after line ")
    assert on.startswith("going on after line ")
    assert found == expected_report
    assert [number for number, _text in found.examples] == [3001, 3502]
    assert await archive.history() == expected
    assert kept(archive) == []


def no_line_again(patch: pytest.MonkeyPatch) -> None:
    """Let no line be read and judged."""

    def fail(*_arguments: Any) -> None:
        raise AssertionError("a line was counted again")

    patch.setattr(parsing, "parse_chunk", fail)


async def ends(archive: Archive) -> None:
    """Let Postgres end all other sessions, as it does when it is stopped."""
    async with connected(archive.settings.database_url.get_secret_value()) as connection:
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid()"
        )


@pytest.mark.parametrize("step", ["refuse_counted", "name_pages", "finish"])
async def test_postgres_that_is_away_in_the_end_costs_no_counting(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Run again, all lines are counted already, and the rows are the same."""
    await archive.take()
    expected = await archive.history()
    await anew(archive)
    with monkeypatch.context() as patch:
        interpose(patch, (ImportStore, step, 1), lambda: ends(archive))
        with pytest.raises(AggregatesUnavailableError):
            await archive.take()
    assert (await archive.rows())["aggregates"] == []
    with monkeypatch.context() as patch:
        no_line_again(patch)
        await archive.take()
    assert archive.said[-1] == "going on after line 10000 of 10000"
    assert await archive.history() == expected
    assert kept(archive) == []


async def test_redis_that_is_away_in_the_end_costs_no_counting(
    archive: Archive, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The visitors that it did not take are in the sketches nevertheless."""
    await archive.take()
    expected = await archive.history()
    await anew(archive)
    monkeypatch.setattr(sketches, "PAUSES_SECONDS", (0, 0))

    async def kill() -> None:
        valkey.kill()

    with monkeypatch.context() as patch:
        interpose(patch, (Sketches, "_extended", 4), kill)
        with pytest.raises(BucketsUnavailableError):
            await archive.take()
    await valkey.start()
    with monkeypatch.context() as patch:
        no_line_again(patch)
        await archive.take()
    assert await archive.history() == expected
    assert await archive.leftovers() == []


async def test_damaged_progress_costs_only_time(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told, everything is counted again, and nothing twice."""
    with monkeypatch.context() as patch:
        interpose(patch, (ImportStore, "finish", 1), die)
        with pytest.raises(KilledError):
            await archive.take()
    (path,) = kept(archive)
    path.write_bytes(path.read_bytes()[:-1])
    await archive.take()
    assert archive.said[1:] == [
        "the progress of this import cannot be used, so it begins anew: it is damaged"
    ]
    assert sum(row["views"] for row in await archive.days()) == 10_000
    assert kept(archive) == []


async def test_refused_import_leaves_no_progress(archive: Archive, tmp_path: Path) -> None:
    """Nobody is kept on disk for an import that cannot be."""
    await archive.take()
    part = tmp_path / "part.log"
    part.write_bytes(b"".join(unpacked()[:50]))
    with pytest.raises(ImportFileError, match="counted already"):
        await archive.take(part, options=Options())
    assert kept(archive) == []


async def test_log_that_changes_is_not_kept_as_what_it_was(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log that is written over while it is counted is refused before a changed line is."""
    path = tmp_path / "some.log"
    whole = b"".join(unpacked())
    path.write_bytes(whole)

    async def write_over() -> None:
        path.write_bytes(whole.replace(b"GET", b"PUT"))

    interpose(monkeypatch, (Sketches, "add", 1), write_over)
    with pytest.raises(ImportFileError, match="has changed while it was read"):
        await archive.take(path)
    assert kept(archive) == []
