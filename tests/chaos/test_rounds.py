"""Rounds of faults on the real service: some fixed seeds, and every named step; `make chaos` runs more."""

import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from counter.steps import Step
from tests.chaos.plan import Plan, make_crash_plan, make_plan
from tests.chaos.report import Result
from tests.chaos.round import run_round
from tests.chaos.world import Cluster

STEPS_TOGETHER = 4


@pytest.fixture(scope="session")
async def cluster() -> AsyncIterator[Cluster]:
    """A Postgres for these rounds alone."""
    folder = Path(tempfile.mkdtemp(prefix="counter-chaos-"))
    async with Cluster.running(folder) as found:
        yield found
    shutil.rmtree(folder)


async def run(plan: Plan, cluster: Cluster) -> Result:
    """Run a round; where it breaks a promise, say so and keep its logs."""
    folder = Path(tempfile.mkdtemp(prefix=f"counter-chaos-seed-{plan.seed}-"))
    result = await run_round(plan, folder, cluster)
    assert result.violations == [], f"logs: {folder}"
    shutil.rmtree(folder)
    return result


@pytest.mark.parametrize("seed", [1, 2])
async def test_nothing_is_lost_or_doubled_and_no_total_falls(seed: int, cluster: Cluster) -> None:
    """Under faults that overlap, and two alone: stored = acknowledged, and every number that was read was right."""
    result = await run(make_plan(seed, together=13, alone=2), cluster)
    assert result.tally.acknowledged > 0


@pytest.mark.parametrize("first", range(0, len(Step), STEPS_TOGETHER))
async def test_end_at_each_step(first: int, cluster: Cluster) -> None:
    """Workers that end at a named step lose nothing, double nothing, and are replaced."""
    steps = list(Step)[first : first + STEPS_TOGETHER]
    result = await run(make_crash_plan(first, steps), cluster)
    assert set(result.steps) == {step.name for step in steps}
