"""`counter export`: all that is in Postgres comes out, can be read back, and never fills the memory."""

import csv
import gzip
import io
import json
from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from counter.aggregates.adjustments import Ledger
from counter.aggregates.store import AggregateStore
from counter.config import Settings
from counter.database import Connection, connected
from counter.exports.files import replaced
from counter.exports.source import ROWS_AT_ONCE, Wanted, read_rows
from counter.exports.tables import COLUMNS, TABLES, Column, Table
from counter.exports.text import unguarded
from counter.exports.writers import FORMATS, writing
from counter.sites.model import Site, SiteSettings
from counter.sites.store import SiteStore
from tests.acceptance.past import row
from tests.acceptance.test_commands import Shell

FIRST = date(2026, 6, 1)
EVIL = '=HYPERLINK("https://evil.example")'


@pytest.fixture
async def stored(settings: Settings) -> AsyncIterator[tuple[Connection, Site]]:
    """Two sites with three days, two pages and a ledger each."""
    async with connected(settings.database_url.get_secret_value()) as connection:
        for key in ("portal", "ward"):
            site = await SiteStore(connection).add(
                key, SiteSettings(name=EVIL, hosts=("a.example", "b.example"))
            )
            days = [FIRST + timedelta(days=number) for number in range(3)]
            rows = [
                row(
                    site, day, views=5, visits=3, visitors=2, bots=1, part=part,
                    hours={9: (2, 1), 23: (3, 2)}, pages={EVIL: 2, "/tin, mới": 3},
                )
                for day in days for part in (1, 2)
            ]  # fmt: skip
            await AggregateStore(connection).write(rows)
            await Ledger(connection).add(site.id, {"visits": -3, "views": 2**56}, EVIL, "'văn phòng'")
            await connection.execute(
                "insert into imports (site_id, digest, options, file_name, lines, malformed) "
                "values ($1, 'd', 'o', '-x.log', 7, 0)",
                site.id,
            )
        yield connection, await SiteStore(connection).find("portal")


async def all_rows(connection: Connection, wanted: Wanted) -> list[dict[str, Any]]:
    names = [column.name for column in COLUMNS[wanted.table]]
    return [
        dict(zip(names, found, strict=True)) async for rows in read_rows(connection, wanted) for found in rows
    ]


def from_csv(text: str, columns: tuple[Column, ...]) -> list[dict[str, Any]]:
    """Read the cells back as what their columns hold."""
    readers = {
        "text": unguarded,
        "texts": lambda cell: unguarded(cell).split(),
        "number": int,
        "flag": lambda cell: cell == "true",
    }
    kinds = {column.name: column.kind for column in columns}
    return [
        {name: readers.get(kinds[name], str)(cell) for name, cell in found.items()}
        for found in csv.DictReader(io.StringIO(text, newline=""))
    ]


def told(value: Any) -> Any:
    """Spell a value as texts do."""
    if isinstance(value, date):
        return value.isoformat() if type(value) is date else value.isoformat(timespec="microseconds")
    return value


@pytest.mark.parametrize("table", TABLES)
async def test_tables_come_back_equal(stored: tuple[Connection, Site], table: Table) -> None:
    """CSV, compressed JSON Lines and Parquet hold the same rows as Postgres, and no cell is a formula."""
    connection, _site = stored
    rows = await all_rows(connection, Wanted(table, None))
    assert rows
    assert {found.get("site", found.get("key")) for found in rows} == {"portal", "ward"}
    plain = [{name: told(value) for name, value in found.items()} for found in rows]

    made = {}
    for format_ in FORMATS:
        file = io.BytesIO()
        with writing(file, format_, COLUMNS[table], compressed=format_ == "jsonl") as writer:
            async for some in read_rows(connection, Wanted(table, None)):
                writer.write(some)
        made[format_] = file.getvalue()
    text = made["csv"].decode()
    assert from_csv(text, COLUMNS[table]) == plain
    assert '"=' not in text
    assert ",\"'=HYPERLINK" in text or table not in {"pages", "adjustments", "sites"}
    assert [json.loads(line) for line in gzip.decompress(made["jsonl"]).splitlines()] == plain
    assert pyarrow.parquet.read_table(pyarrow.BufferReader(made["parquet"])).to_pylist() == rows


async def test_figures_and_choices(stored: tuple[Connection, Site], shell: Shell, tmp_path: Path) -> None:
    """Rows of a day are summed up; a site and a stretch of days can be chosen; the secret stays inside."""
    _connection, site = stored
    said = await shell.must("export", "portal", "--from", "2026-06-02", "--to", "2026-06-02")
    assert said == 'site,day,views,visits,visitors,bots\r\n"portal",2026-06-02,10,6,4,2\r\n'
    hours = await shell.must("export", "portal", "--table", "hours", "--from", "2026-06-03")
    assert '"portal",2026-06-03,9,4,2\r\n' in hours
    assert hours.count("\n") == 25
    amounts = await shell.must("export", "portal", "--table", "adjustments")
    assert f',"views",{2**56},' in amounts
    assert ',"visits",-3,' in amounts
    file = tmp_path / "sites.jsonl.gz"
    words = ("--table", "sites", "--format", "jsonl", "--output", str(file))
    assert await shell.must("export", "--all", *words) == ""
    sites = gzip.decompress(file.read_bytes()).decode()
    assert site.secret not in sites
    assert json.loads(sites.splitlines()[0])["hosts"] == ["a.example", "b.example"]


async def test_few_rows_are_in_flight(stored: tuple[Connection, Site]) -> None:
    """However many rows there are, no more than a fixed number is in memory, and none is fetched ahead."""
    connection, site = stored
    await connection.execute(
        "insert into pages (site_id, path) select $1, '/' || n from generate_series(1, 10000) as n", site.id
    )
    await connection.execute(
        "insert into page_aggregates (page_id, day, lane, generation, part, views) "
        "select id, '2026-07-01', '0', 'g', 1, 1 from pages where path ~ '^/[0-9]+$'"
    )
    taken = 0
    async for rows in read_rows(connection, Wanted("pages", [site.id], date(2026, 7, 1))):
        assert 0 < len(rows) <= ROWS_AT_ONCE
        taken += len(rows)
    assert taken == 10_000


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ((), "name a site, or say --all"),
        (("portal", "--all"), "name a site, or say --all"),
        (("nobody",), "there is no site nobody"),
        (("--all", "--output", "/nowhere/x.csv"), "/nowhere/x.csv cannot be written"),
        (("--all", "--format", "parquet", "--output", "x.gz"), "a Parquet file is compressed already"),
    ],
)
async def test_mistakes_are_explained(
    stored: tuple[Connection, Site], shell: Shell, words: tuple[str, ...], complaint: str
) -> None:
    """A mistake ends with a line that says what is wrong."""
    code, _said, complained = await shell.run("export", *words)
    assert code != 0
    assert complaint in complained
    assert "Traceback" not in complained


def test_parquet_without_its_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pyarrow the message names the extra."""
    monkeypatch.setattr("counter.exports.writers.find_spec", lambda _name: None)
    with (
        pytest.raises(Exception, match=r"visitor-counter\[parquet\]"),
        writing(io.BytesIO(), "parquet", COLUMNS["days"]),
    ):
        pass


def test_failed_export_leaves_the_older_file(tmp_path: Path) -> None:
    """A file takes its place when it is complete; before that the older one stays, and no rest remains."""
    file = tmp_path / "days.csv"
    file.write_bytes(b"older")
    with pytest.raises(ZeroDivisionError), replaced(file) as new:
        new.write(b"half of it")
        raise ZeroDivisionError
    assert file.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [file]


@pytest.fixture
def shell(settings: Settings) -> Shell:
    return Shell(settings)
