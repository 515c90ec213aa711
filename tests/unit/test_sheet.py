"""CSV that a spreadsheet opens as it is meant."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counter.widget.sheet import to_csv

FORMULA_STARTS = "=+-@|%\t\r\n"


def read(body):
    return list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline="")))


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=20), min_size=1, max_size=4))
def test_texts_come_back(texts):
    """Every text comes back whole; only one that would run has an apostrophe in front."""
    (found,) = read(to_csv(["a"], [texts]))[1:]
    for text, cell in zip(texts, found, strict=True):
        assert cell in {text, f"'{text}"}
        assert not cell.lstrip(" ").startswith(tuple(FORMULA_STARTS))


@pytest.mark.parametrize(
    "text", ["=CMD()", "+1", "-1+1", "@SUM(A1)", " =1", "\t=1", "＝1", '=HYPERLINK("x")']
)
def test_formulas_are_texts(text):
    """What a spreadsheet would run is shown instead."""
    assert read(to_csv(["a"], [[text]]))[1] == [f"'{text}"]


def test_numbers_and_gaps_are_bare():
    """Numbers can be added up, what is not known is empty, and the file begins with its mark."""
    body = to_csv(["a", "b", "c", "d"], [[1, None, True, "x,y"]])
    assert body == '\ufeffa,b,c,d\r\n1,,true,"x,y"\r\n'.encode()
