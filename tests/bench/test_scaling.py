"""The model is as good as the documentation says, and the documentation says what the model does."""

from pathlib import Path

import pytest

from bench.model import FITTED, Prices, Setting, Simulation, groups_of
from bench.scaling import BOUNDS, errors, largest_share, read_points, tables

PAGE = Path(__file__).parents[2] / "docs" / "scaling.md"
PRICES = Prices(hit=40, group=2, batch=60, redis_hit=10, redis_group=20, redis_batch=30, load=5)


@pytest.mark.parametrize("what", BOUNDS)
def test_model_is_no_further_off_than_it_is_said(what):
    """What the model says of each measured point lies within the stated error, also where nothing was fitted."""
    off = {name: error[what] for name, error in errors(read_points()).items()}
    assert len(off.keys() - set(FITTED)) >= 5
    assert max(map(abs, off.values())) <= BOUNDS[what], off


def test_page_shows_what_the_script_prints():
    """Each line of each table is in the page, and so is each bound of the error."""
    page = PAGE.read_text(encoding="utf-8").splitlines()
    assert [line for line in tables(read_points()) if line and line not in page] == []
    for what, bound in BOUNDS.items():
        assert any(f"{what}: {bound:.0%}" in line for line in page)


def test_lone_connection_pays_each_step_in_turn():
    """With one hit at a time nothing overlaps, so its time is the sum of all prices."""
    found = Simulation(PRICES, Setting(connections=1, sites=1)).run()
    assert found.batch_hits == 1
    assert 1e6 / found.per_second == pytest.approx(40 + 2 + 60 + 10 + 20 + 30 + 5, rel=0.01)


def test_full_worker_is_the_limit():
    """With many connections the worker is never idle, and batches share their price."""
    found = Simulation(PRICES, Setting(connections=200, sites=1)).run()
    assert found.per_second * found.service_us == pytest.approx(1e6, rel=0.05)
    assert found.service_us < 45


def test_lanes_make_smaller_batches():
    """Each lane has a batch of its own in flight, so more of them mean fewer hits in each."""
    few, many = (Simulation(PRICES, Setting(64, 1000, lanes)).run() for lanes in (1, 96))
    assert many.batch_hits < few.batch_hits
    assert many.service_us > few.service_us


def test_sites_of_a_batch():
    """One site makes one group, and many sites as many as there are hits."""
    assert groups_of(30, 1) == 1
    assert groups_of(30, 10**9) == pytest.approx(30)


def test_one_lane_is_on_one_master():
    """A single lane leaves all other masters idle; many spread."""
    assert largest_share(1, 3) == 3
    assert largest_share(96, 3) < 1.1
