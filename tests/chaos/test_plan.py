"""The plan of a round: the seed alone makes it, and it has what a round needs."""

import pytest

from counter.steps import Step
from tests.chaos.plan import COUNTING, SITES, WORKERS, Kind, make_crash_plan, make_plan


def test_same_seed_makes_the_same_plan():
    """A failing seed can be run again."""
    assert make_plan(7, together=10, alone=2) == make_plan(7, together=10, alone=2)
    assert make_plan(7, together=10, alone=2) != make_plan(8, together=10, alone=2)


def test_every_kind_is_drawn():
    """Within some seeds every kind of fault comes together with others, and alone."""
    plans = [make_plan(seed, together=10, alone=2) for seed in range(40)]
    assert {fault.kind for plan in plans for fault in plan.phases[0].faults} == set(Kind)
    assert {fault.kind for plan in plans for phase in plan.phases[1:] for fault in phase.faults} == set(Kind)


def test_only_the_kinds_that_are_asked_for_are_drawn():
    """A round may be narrowed to some kinds."""
    plan = make_plan(3, together=10, alone=2, kinds=[Kind.CUT_LINK, Kind.KILL_REDIS])
    assert {fault.kind for fault in plan.faults} == {Kind.CUT_LINK, Kind.KILL_REDIS}


def test_hits_tell_the_oracle_much():
    """Half of the hits have a page of their own, numbers never repeat, and all sites and workers have some."""
    plan = make_plan(5, together=10, alone=2)
    hits = [hit for phase in plan.phases for hit in phase.hits]
    own = [hit.page for hit in hits if hit.own_page]
    assert len(set(own)) == len(own) > len(hits) / 3
    assert len({hit.number for hit in hits}) == len(hits)
    assert {hit.site for hit in hits if hit.form in COUNTING} == {site.key for site in SITES}
    assert {hit.worker for hit in hits} == set(range(WORKERS))
    assert all(0 <= hit.at <= phase.seconds for phase in plan.phases for hit in phase.hits)


@pytest.mark.parametrize("step", list(Step))
def test_crash_plan_ends_workers_at_each_step(step):
    """A phase of its own arms the crash before it makes the outage that leads there."""
    (phase,) = make_crash_plan(1, [step]).phases
    assert (phase.faults[0].kind, phase.faults[0].step) == (Kind.CRASH, step)
    assert phase.faults[0].at < min(fault.at for fault in phase.faults[1:])
