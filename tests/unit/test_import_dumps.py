"""Dumps of MySQL are read as MySQL reads them, and anything else does no harm."""

import re
from datetime import date
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counter.imports.history import DayParts, fill, make_row, share, spread
from counter.imports.records import Bad, Row
from counter.imports.sources.mysql import MOST_CHARACTERS, read_dump
from counter.imports.sources.tables import read_csv

ESCAPES = {
    "\0": "\\0",
    "'": "\\'",
    '"': '\\"',
    "\b": "\\b",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\x1a": "\\Z",
    "\\": "\\\\",
}
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.text(
    "'\"\\`;(),\n#-/* ", max_size=8
)
VALUES = st.lists(st.lists(TEXT | st.none() | st.integers(), min_size=2, max_size=2), min_size=1, max_size=4)


def spelt(value: str | int | None, style: int) -> str:
    """A literal, escaped as mysqldump does, or with doubled quotes."""
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(value)
    if style % 2:
        return "'" + "".join(ESCAPES.get(character, character) for character in value) + "'"
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def in_pieces(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def read(text: str, size: int = 7) -> list[Row | Bad]:
    return list(read_dump(in_pieces(text, size), "d.sql", lambda table: table == "t"))


@given(rows=VALUES, style=st.integers(0, 3), size=st.integers(1, 40), named=st.booleans())
def test_values_come_back(rows: list[list[str | int | None]], style: int, size: int, *, named: bool) -> None:
    """Whatever a row holds comes back, however it is escaped and wherever the reading is cut."""
    columns = "(`a`, `b`)" if named else ""
    head = "" if named else "CREATE TABLE `t` (`a` int(11) DEFAULT '0', b text, KEY `k` (`a`,`b`(10)));\n"
    other = f"INSERT INTO `other` VALUES ({spelt('x;(', style)});-- a ' comment\n/*!40000 it's ' */;\n"
    tuples = ",\n".join(f"({spelt(a, style)},{spelt(b, style)})" for a, b in rows)
    found = read(f"{head}{other}INSERT INTO `t` {columns} VALUES {tuples};{other}", size)
    expected = [{"a": a, "b": b} for a, b in rows]
    told = [{k: v if v is None else str(v) for k, v in row.items()} for row in expected]
    assert [row.values for row in found if isinstance(row, Row)] == told
    assert len(found) == len(rows)


@given(st.text(max_size=300) | st.text("'\"`\\;(),INSERT TOvalu*/-#\n", max_size=300), st.integers(1, 50))
def test_anything_is_read_or_told(text: str, size: int) -> None:
    """No text makes the reader fail, or read for ever."""
    start = "CREATE TABLE t (a int, b int); INSERT INTO t VALUES "
    for dump in (text, start + text):
        for found in islice(read(dump, size), 1000):
            assert isinstance(found, Row | Bad)
            assert 1 <= found.line <= dump.count("\n") + 1
    for row in read_csv(re.findall(r"[^\n]*\n?", text), "a.csv"):
        assert isinstance(row, Row | Bad)


@pytest.mark.parametrize("dump", ["/*", "/* *", "/*!40000 x *\1", "//*!40000 x *\1 -- c\n*REPLACE! *"])
def test_comment_without_end(dump: str) -> None:
    """A comment that nobody ends lasts until the dump does."""
    for size in (1, 3, 100):
        assert read(dump, size) == []


def test_variants_of_inserts() -> None:
    """What dumps of several tools look like."""
    dump = """
    CREATE TABLE IF NOT EXISTS `db`.`t` (`a` int, `b` text, PRIMARY KEY (`a`), CONSTRAINT c CHECK (a > 0));
    INSERT IGNORE INTO `db`.`t` VALUES (1, _utf8mb4'x'), (2,  'y') ON DUPLICATE KEY UPDATE a = 1;
    REPLACE INTO t (b, a) VALUE ('z', -3.5e1); # and this ; is a comment
    insert into db.t values (0x1F, CONCAT('a', 'b')), (5, "it''s ""so"" !");
    DELIMITER ;;
    """
    found = [tuple(row.values.items()) for row in read(dump) if isinstance(row, Row)]
    assert found == [
        (("a", "1"), ("b", "x")), (("a", "2"), ("b", "y")), (("b", "z"), ("a", "-3.5e1")),
        (("a", "0x1F"), ("b", "b")), (("a", "5"), ("b", "it''s \"so\" !")),
    ]  # fmt: skip


def test_faults_are_told_by_line() -> None:
    """A row that does not fit, a dump that ends too early and columns nobody names are told."""
    head = "CREATE TABLE t (a int, b int);\n"
    cases = {
        head + "INSERT INTO t VALUES (1,2),\n(3),\n(4,5);": "2 1 values for the 2 columns of t",
        head + "INSERT INTO t VALUES (1,2),\n(3,": "a row of t has no end",
        head + "INSERT INTO t VALUES (1,2)": "the dump ends within the rows of t",
        head + "INSERT INTO t VALUES (1,2), x;": "no row of t begins so",
        head + "INSERT INTO t SELECT * FROM x;": "an INSERT that has no VALUES",
        "INSERT INTO t VALUES (1,2);": "nothing tells the columns of t; dump it with its structure",
    }
    for dump, reason in cases.items():
        bad = next(found for found in read(dump) if isinstance(found, Bad))
        assert reason in {bad.reason, f"2 {bad.reason}"}
    (bad,) = (found for found in read(next(iter(cases))) if isinstance(found, Bad))
    assert bad.line == 3


def test_long_values_are_cut() -> None:
    """An article of any length takes bounded memory."""
    (row,) = read(f"INSERT INTO t (a) VALUES ('{'x' * 500_000}');", 65_536)
    assert isinstance(row, Row)
    assert len(row.values["a"] or "") <= MOST_CHARACTERS + 65_536


COUNT = st.none() | st.integers(0, 10**6)


@given(COUNT, COUNT, COUNT, st.lists(st.integers(0, 1000), max_size=3))
def test_any_day_is_a_row_that_adds_up(
    views: int | None, visits: int | None, visitors: int | None, of_pages: list[int]
) -> None:
    """Hours sum up to the day, visits need views, and pages have no more views than their day."""
    parts = DayParts(views, visits, visitors)
    row = make_row(date(2025, 1, 1), parts, {str(number): n for number, n in enumerate(of_pages)})
    assert sum(row.hour_views) == row.counts.views >= sum(of_pages)
    assert sum(row.hour_visits) == row.counts.visits <= row.counts.views
    assert min([*row.hour_views, *row.hour_visits]) >= 0
    assert views is None or row.counts.views >= views
    assert fill(views, visits, visitors).visits <= fill(views, visits, visitors).views


@given(st.lists(st.integers(0, 50), min_size=24, max_size=24), st.data())
def test_shares_add_up(weights: list[int], data: st.DataObject) -> None:
    """Nothing is lost in dividing, and no part is above its weight."""
    amount = data.draw(st.integers(0, sum(weights)))
    parts = share(amount, weights)
    assert sum(parts) == amount
    assert all(part <= weight for part, weight in zip(parts, weights, strict=True))
    assert sum(spread(amount)) == amount
