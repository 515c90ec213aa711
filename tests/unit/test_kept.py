"""Answers that cost a query: one look for all, bounded memory, the last known good when a store is away."""

import asyncio

import pytest

from counter.errors import AggregatesUnavailableError
from counter.widget.kept import Found, Kept


def kept(fresh_seconds=0.0, room=100, readers=1):
    """Answers that weigh their length."""
    return Kept(fresh_seconds=fresh_seconds, weigh=len, room=room, readers=asyncio.Semaphore(readers))


class Source:
    """Answers with a text, and counts how often it is asked."""

    def __init__(self):
        self.asked = 0
        self.away = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self):
        self.asked += 1
        await self.gate.wait()
        if self.away:
            raise AggregatesUnavailableError
        return "x" * 10


async def test_a_crowd_is_one_question():
    """All who ask while an answer is under way get that one, though one of them goes away."""
    answers, source = kept(), Source()
    source.gate.clear()
    asking = [asyncio.create_task(answers.of("a", source)) for _client in range(20)]
    while not source.asked:
        await asyncio.sleep(0)
    asking[0].cancel()
    source.gate.set()
    assert await asyncio.gather(*asking[1:]) == [Found("x" * 10, stale=False)] * 19
    assert source.asked == 1


async def test_fresh_answers_are_given_again():
    """While it is fresh an answer costs nothing; afterwards it is read anew."""
    source = Source()
    fresh, old = kept(fresh_seconds=1000.0), kept()
    for _time in range(3):
        await fresh.of("a", source)
    assert source.asked == 1
    for _time in range(3):
        await old.of("a", source)
    assert source.asked == 4


async def test_last_known_good_is_marked():
    """A failure gives the last answer with its mark; where there is none, it is raised."""
    answers, source = kept(), Source()
    await answers.of("a", source)
    source.away = True
    assert await answers.of("a", source) == Found("x" * 10, stale=True)
    with pytest.raises(AggregatesUnavailableError):
        await answers.of("b", source)


async def test_memory_is_bounded():
    """What was read longest ago goes when there is no room."""
    answers, source = kept(fresh_seconds=1000.0, room=33), Source()
    for key in "abcd":
        await answers.of(key, source)
    await answers.of("d", source)
    assert source.asked == 4
    await answers.of("a", source)
    assert source.asked == 5


async def test_few_questions_run_at_once():
    """However many different answers are wanted, only so many are read at a time."""
    answers, source = kept(readers=2), Source()
    source.gate.clear()
    asking = [asyncio.create_task(answers.of(key, source)) for key in "abcdef"]
    while source.asked < 2:
        await asyncio.sleep(0)
    for _turn in range(20):
        await asyncio.sleep(0)
    assert source.asked == 2
    source.gate.set()
    await asyncio.gather(*asking)
    assert source.asked == 6
