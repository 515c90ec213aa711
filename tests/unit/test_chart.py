"""Charts: bars as tall as their numbers, on scales that can be read."""

import itertools
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counter.widget.chart import TOP, Bar, bar_chart, share_bar, small_bar, ticks
from tests.unit.making import any_text

figures = st.none() | st.integers(0, 10**6) | st.integers(0, 2**63 - 1)
bars = st.lists(
    st.builds(Bar, any_text(10), figures, figures, st.booleans(), any_text(20)), min_size=1, max_size=40
)


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (0, [0, 1]),
        (1, [0, 1]),
        (3, [0, 1, 2, 3]),
        (7, [0, 2, 4, 6, 8]),
        (153, [0, 50, 100, 150, 200]),
        (412_135, [0, 200_000, 400_000, 600_000]),
    ],
)
def test_scale(most, expected):
    """A scale has few and round numbers."""
    assert ticks(most) == expected


@given(st.integers(0, 2**63))
def test_scale_reaches_every_number(most):
    """The last number of a scale is at least the largest bar, and the steps are even."""
    scale = ticks(most)
    assert scale[0] == 0
    assert scale[-1] >= most
    assert 2 <= len(scale) <= 5
    assert {b - a for a, b in itertools.pairwise(scale)} == {scale[1]}


@given(bars)
def test_bars_are_as_tall_as_their_numbers(bars):
    """Each number has a bar that stands on the ground, inside the picture; what is not known has none."""
    chart = ET.fromstring(bar_chart(bars, "title", str, 100))
    groups = list(chart.iter("g"))
    assert len(groups) == len(bars)
    most = max([value for bar in bars for value in (bar.value, bar.before) if value is not None], default=0)
    for bar, group in zip(bars, groups, strict=True):
        columns = [rect for rect in group.iter("rect") if "now" in rect.get("class")]
        marks = [line for line in group.iter("line") if line.get("class") == "before"]
        assert len(columns) == bool(bar.value)
        assert len(marks) == (bar.before is not None)
        for column in columns:
            tall = float(column.get("height"))
            assert abs(tall - max(1, 100 * bar.value / ticks(most)[-1])) < 0.06
            assert abs(float(column.get("y")) + tall - TOP - 100) < 0.2
            assert ("running" in column.get("class")) == bar.running


@given(st.lists(st.integers(0, 2**50), min_size=1, max_size=4))
def test_shares_fill_the_bar(amounts):
    """Parts lie side by side and are the whole, unless there is nothing."""
    bar = ET.fromstring(share_bar([(amount, "a") for amount in amounts], "title"))
    widths = [float(rect.get("width").rstrip("%")) for rect in bar.iter("rect")]
    assert abs(sum(widths) - (100 if any(amounts) else 0)) < 0.01


def test_small_bar():
    """A bar beside a number is its share of the most."""
    assert 'width="25.00%"' in small_bar(1, 4)
    assert 'width="0.00%"' in small_bar(0, 0)
