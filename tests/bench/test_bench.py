"""The bench works: it measures real answers, and notices when they are none. It asserts no speed."""

import json

import pytest

from bench.__main__ import line_of, measure
from bench.figures import Figure, Rounds
from bench.load import Load, LoadError, send
from bench.place import place


async def test_figures_are_measured(capsys):
    """A short round of each figure gives a ratio, and what it was made of."""
    found = await measure(["hits", "widget"], Rounds(1, 1))
    assert len(found) == 5
    assert all(figure.value > 0 and len(figure.raw) == 1 for figure in found)
    assert len(capsys.readouterr().out.splitlines()) == 5


async def test_growth_is_measured():
    """Each state is measured beside the bare handler, once it has come about."""
    found = await measure(["growth"], Rounds(1, 0.02))
    assert [figure.name for figure in found] == [
        "hits, 67 registered sites ÷ 1",
        "hits, 6,667 visitors ÷ 1,000",
        "bytes of Redis for each visitor in the window",
    ]
    assert all(figure.value > 0 for figure in found)


async def test_workers_are_measured_with_all_their_processes():
    """What two workers and their parent take for a hit is compared with what one takes."""
    (found,) = await measure(["workers"], Rounds(1, 1))
    assert found.value > 0
    assert len(found.raw) == 1


async def test_load_that_is_refused_is_no_figure(tmp_path):
    """A figure of answers that are errors would be worth nothing."""
    tmp_path.chmod(0o711)
    async with place(tmp_path) as here, here.serving() as service:
        with pytest.raises(LoadError, match="refused"):
            await send(service.public, Load("/v1/hits?quiet=1"), 1)  # the site is not registered


def test_table_says_whether_a_figure_holds():
    """What is not good enough stands out, and a baseline stands beside it."""
    assert "**no**" in line_of(Figure("hits", 0.5, 0.65))
    assert "| yes |" in line_of(Figure("p99", 2, 5, at_most=True))
    assert "| 0.4 |" in line_of(Figure("hits", 0.7, 0.65), json.loads("0.4"))
