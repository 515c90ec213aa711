"""The oracle itself: it keeps quiet about a good round, and finds each broken promise."""

from dataclasses import replace

import pytest

from tests.chaos.oracle import Fate, Observed, Outcome, Reading, Shown, Stored, Tally, judge, tally
from tests.chaos.plan import Form, Hit


def outcome(
    number: int, fate: Fate = Fate.ACKNOWLEDGED, *, page: str = "/a", form: Form = Form.QUIET, **known
) -> Outcome:
    status = {Fate.ACKNOWLEDGED: 200, Fate.REFUSED: 0, Fate.UNKNOWN: 503}[fate]
    hit = Hit(number, 0.0, 0, "utc", page, known.pop("visitor", number), form)
    return Outcome(hit, fate, known.pop("status", status), float(number), number + 0.5, **known)


def reading(
    at: float, total: int | None, *, process: int = 1, status: int = 200, stale: bool = False
) -> Reading:
    return Reading(process, "utc", at, at + 0.01, status, total, stale)


def stored(pages: dict[str, int], *, visits: int) -> Stored:
    views = sum(pages.values())
    return Stored(views, visits, views, visits, pages)


def seen(**changed) -> Observed:
    """A good round: two hits counted, one refused, one of which nobody knows."""
    good = {
        "outcomes": [
            outcome(1),
            outcome(2, page="/hit/2", page_views=1),
            outcome(3, Fate.REFUSED),
            outcome(4, Fate.UNKNOWN, page="/hit/4"),
            outcome(5, Fate.REFUSED, form=Form.BROKEN, status=400),
        ],
        "readings": [reading(2.0, 1), reading(3.0, 2), reading(3.1, 2, process=2), reading(9.0, 3)],
        "stored": {"utc": stored({"/a": 1, "/hit/2": 1, "/hit/4": 1}, visits=3)},
        "shown": {(0, "utc"): Shown(3, 3)},
        "fresh_seconds": 0.1,
    }
    return Observed(**{**good, **changed})


def test_good_round():
    """Nothing is said of a round that kept every promise, whichever way the unknown hit went."""
    assert judge(seen()) == []
    without = {"utc": stored({"/a": 1, "/hit/2": 1}, visits=2)}
    readings = [reading(9.0, 2)]
    assert judge(seen(stored=without, shown={(0, "utc"): Shown(2, 2)}, readings=readings)) == []
    assert tally(seen()) == Tally(acknowledged=2, refused=1, unknown=1, stored=3, lost=0, doubled=0)


def kept(pages: dict[str, int], visits: int = 3) -> dict[str, dict]:
    """What is stored, and shown accordingly."""
    return {
        "stored": {"utc": stored(pages, visits=visits)},
        "shown": {(0, "utc"): Shown(sum(pages.values()), visits)},
    }


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (kept({"/a": 1, "/hit/4": 1}, 2), "utc/hit/2 has 0 views; 1 were sent"),
        (kept({"/a": 2, "/hit/2": 1, "/hit/4": 1}), "utc/a has 2 views; 1 were sent"),
        (kept({"/a": 1, "/hit/2": 1, "/hit/4": 2}), "utc/hit/4 has 2 views; 0 to 1 were sent"),
        (kept({"/a": 1, "/hit/2": 1, "/b": 1}), "utc/b has 1 views; 0 were sent"),
        (kept({"/a": 1, "/hit/2": 1, "/hit/4": 1}, 1), "utc has 1 visits; 2 to 3 there were"),
        ({"stored": {"utc": Stored(3, 3, 2, 3, {"/a": 1, "/hit/2": 1, "/hit/4": 1})}}, "utc has hours of 2 views"),
        ({"stored": {"utc": Stored(3, 3, 3, 3, {"/a": 1, "/hit/2": 1})}}, "utc has 2 views of pages, 3 in all"),
        ({"shown": {(2, "utc"): Shown(3, 2)}}, "worker 2 shows"),
        ({"readings": [reading(5.0, 3), reading(6.0, 2)]}, "process 1 let the total of utc fall from 3 to 2"),
        ({"readings": [reading(5.0, 3), reading(6.0, 0, stale=True)]}, "process 1 let the total of utc fall from 3 to 0"),
        ({"readings": [reading(5.0, 3), reading(6.0, 2, process=2)]}, "the total of utc fell from 3 to 2"),
        ({"readings": [reading(5.0, 3), reading(6.0, None, status=503)]}, "process 1 answered 503 for utc"),
        ({"readings": [reading(1.6, 2)]}, "the total of utc was 2 at 1.61 s, when 1 hits were sent"),
        ({"mishaps": ["process 9 ended with 1"]}, "process 9 ended with 1"),
    ],
)  # fmt: skip
def test_broken_promise_is_found(changed, said):
    """Each kind of broken promise is said in words."""
    assert any(found.startswith(said) for found in judge(seen(**changed)))


@pytest.mark.parametrize(
    ("strange", "said"),
    [
        (outcome(6, Fate.UNKNOWN, status=500), "hit 6 was answered 500"),
        (outcome(6, Fate.REFUSED, status=404), "hit 6 is a good one, and was answered 404"),
        (outcome(6, page="/hit/6", page_views=2), "hit 6 was told 2 views of its page"),
    ],
)
def test_strange_answer_is_found(strange, said):
    """An answer that no client should get is said."""
    assert said in judge(seen(outcomes=[*seen().outcomes, strange]))


def test_more_visits_after_a_wipe():
    """A visitor may begin a visit anew when Redis has lost what it knew, and only then."""
    again = seen(outcomes=[*seen().outcomes, outcome(6, visitor=1)])
    again = replace_stored(again, visits=4)
    assert judge(again) == ["utc has 4 visits; 2 to 3 there were"]
    assert judge(replace(again, wipes=1)) == []


def replace_stored(observed: Observed, *, visits: int) -> Observed:
    return replace(observed, **kept({"/a": 2, "/hit/2": 1, "/hit/4": 1}, visits))


def test_stale_numbers_may_be_behind_those_of_others():
    """A worker that cannot read says so, and is not held to what another one has shown."""
    readings = [reading(3.0, 2, process=2), reading(5.0, 3), reading(6.0, 2, process=2, stale=True)]
    assert judge(seen(readings=readings)) == []


def test_readings_that_overlap_have_no_order():
    """Of two answers that were under way at the same time either may be first."""
    early = replace(reading(5.0, 3), ended_at=7.0)
    assert judge(seen(readings=[early, reading(6.0, 2)])) == []


def test_lost_and_doubled_do_not_make_up_for_each_other():
    """One hit lost and another one doubled are two faults, though the sums agree."""
    wrong = seen(**kept({"/a": 2, "/hit/4": 1}))
    assert tally(wrong)[-2:] == (1, 1)
