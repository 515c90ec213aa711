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
