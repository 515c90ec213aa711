"""Exported text: nothing in it runs in a spreadsheet, and all of it comes back."""

import csv
import io
import json
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counter.exports.tables import Column
from counter.exports.text import csv_lines, guarded, json_lines, unguarded

RISKY = tuple("=+-@\t\r")


@given(st.text(st.characters(codec="utf-8"), max_size=20))
def test_every_text_comes_back(text):
    """A cell never begins like a formula, and taking the apostrophe away gives the text itself."""
    (row,) = csv.reader(io.StringIO(csv_lines([(text, 1)]).decode(), newline=""))
    assert not row[0].lstrip(" ").startswith(RISKY)
    assert [unguarded(row[0]), row[1]] == [text, "1"]


@pytest.mark.parametrize("text", ["=CMD()", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "'=1", "＝1"])
def test_formulas_get_an_apostrophe(text):
    """What a spreadsheet would run is shown instead."""
    assert guarded(text) == "'" + text


def test_numbers_stay_numbers():
    """A negative amount is no formula; what is not known is empty, and a day is a day."""
    row = (-36, None, True, date(2026, 6, 10), datetime(2026, 6, 10, 5, tzinfo=UTC), ["a", "b"], "x,y")
    assert csv_lines([row]) == (b'-36,,true,2026-06-10,2026-06-10T05:00:00.000000+00:00,"a b","x,y"\r\n')


def test_json_lines():
    """Each row is an object on a line of its own, lists and gaps included."""
    columns = [Column("a", "texts"), Column("b", "number")]
    lines = json_lines(columns, [(["x"], None), ([], 5)]).splitlines()
    assert [json.loads(line) for line in lines] == [{"a": ["x"], "b": None}, {"a": [], "b": 5}]
