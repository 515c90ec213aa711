"""What the bench says of Postgres is measured on the real service; no speed is asserted."""

import pytest

from bench.__main__ import measure
from bench.figures import Rounds


async def test_rollup_of_dirty_sites_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each dirty site is rolled up, without hits and beside them."""
    monkeypatch.setattr("bench.rollup.SITES", 50)
    monkeypatch.setattr("bench.rollup.LEAST_SECONDS", 1)
    alone, beside, hits = await measure(["rollup"], Rounds(1, 1))
    assert alone.value > 0
    assert beside.value > 0
    assert hits.value > 0


async def test_history_among_many_rows_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows that are asked for are those that were filled in, under the indexes as they were."""
    monkeypatch.setattr("bench.history.ROWS", 10 * 3650)
    monkeypatch.setattr("bench.history.TIMES", 3)
    days, months, over_http, total = await measure(["history"], Rounds(1, 1))
    assert days.value > 0
    assert months.value > 0
    assert over_http.value > 0
    assert total.value > 0
