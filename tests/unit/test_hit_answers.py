"""Hits that want numbers: each is answered from a reading that began after it was asked for."""

import asyncio
from collections.abc import Callable, Sequence
from typing import cast

import msgspec
from structlog.testing import capture_logs

from counter.buckets.base import Counts
from counter.errors import NumbersUnavailableError
from counter.sites.model import Site
from counter.widget.hit_answers import HitAnswers
from counter.widget.pages import PageViews
from counter.widget.snapshot import Snapshot
from counter.widget.snapshots import Snapshots
from tests.unit.making import site_with

SITE = site_with()


class Readings:
    """Numbers its readings: the n-th shows n views, of the site and of each page; each may be held up."""

    def __init__(self) -> None:
        self.begun = 0
        self.asked_pages: list[list[str]] = []
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.error: Exception | None = None
        self.answers = HitAnswers(cast("Snapshots", self), cast("PageViews", _Pages(self)))
        self.told: list[tuple[str, int | None]] = []

    async def of(self, _site: Site, *, anew: bool) -> Snapshot:
        assert anew
        self.begun += 1
        number = self.begun
        await self.go_on.wait()
        if self.error:
            raise self.error
        return Snapshot(as_of_ms=0, online=number, total=Counts(), days={})

    def ask(self, name: str, page: str = "/a", then: Callable[[], None] | None = None) -> None:
        """Ask, note of which reading the answer is, and do something more when it comes."""

        def tell(answer: bytes | None) -> None:
            self.told.append((name, answer and msgspec.json.decode(answer)["online"]))
            if answer:
                assert msgspec.json.decode(answer)["page"]["path"] == page
            if then:
                then()

        self.answers.ask(SITE, page, tell)

    async def until_told(self, number: int) -> list[tuple[str, int | None]]:
        async with asyncio.timeout(30):
            while len(self.told) < number:
                await asyncio.sleep(0)
        return self.told


class _Pages:
    def __init__(self, readings: Readings) -> None:
        self._readings = readings

    async def of(self, _site: Site, pages: Sequence[str]) -> list[int | None]:
        self._readings.asked_pages.append(list(pages))
        return [self._readings.begun] * len(pages)


async def test_who_asks_during_a_reading_is_answered_by_the_next() -> None:
    """The reading under way may not have what was recorded since it began; those who wait share the next."""
    readings = Readings()
    readings.go_on.clear()
    readings.ask("first")
    while not readings.begun:
        await asyncio.sleep(0)
    readings.ask("second", "/b")
    readings.ask("third", "/b")
    readings.go_on.set()
    assert await readings.until_told(3) == [("first", 1), ("second", 2), ("third", 2)]
    assert readings.asked_pages == [["/a"], ["/b"]]
    assert readings.begun == 2


async def test_who_asks_while_others_are_told_is_answered_by_the_next() -> None:
    """A hit that is recorded because another was answered is in its own answer, too."""
    readings = Readings()
    readings.ask("first", then=lambda: readings.ask("asked meanwhile", "/b"))
    readings.ask("second")
    assert await readings.until_told(3) == [("first", 1), ("second", 1), ("asked meanwhile", 2)]


async def test_who_asks_after_a_round_begins_another() -> None:
    """When nobody asks any more the site is forgotten, and who comes later is answered all the same."""
    readings = Readings()
    for number in (1, 2, 3):
        readings.ask(f"hit {number}")
        assert (await readings.until_told(number))[-1] == (f"hit {number}", number)
        while readings.answers._asked:
            await asyncio.sleep(0)


async def test_reading_that_fails_answers_without_numbers() -> None:
    """The hits are counted, and who asks next is answered when there are numbers again."""
    readings = Readings()
    for number, error in enumerate((NumbersUnavailableError(), RuntimeError()), 1):
        readings.error = error
        with capture_logs() as logs:
            readings.ask(f"hit {number}")
            assert (await readings.until_told(number))[-1] == (f"hit {number}", None)
        assert len(logs) == number - 1  # whoever reads the numbers has said so already
    readings.error = None
    readings.ask("hit")
    assert (await readings.until_told(3))[-1] == ("hit", 3)


async def test_answer_that_cannot_be_sent_keeps_no_other_from_theirs() -> None:
    """One who is told may break; all others of the round, and the next one, are told."""
    readings = Readings()

    def broken() -> None:
        raise RuntimeError

    readings.ask("broken", then=broken)
    readings.ask("whole")
    assert await readings.until_told(2) == [("broken", 1), ("whole", 1)]
    readings.ask("later")
    assert (await readings.until_told(3))[-1][0] == "later"


async def test_many_pages_are_read_in_parts(monkeypatch) -> None:
    """However many pages the hits of a round have, each is asked for once, and no call asks for too many."""
    monkeypatch.setattr("counter.widget.hit_answers.READ_PAGES", 2)
    readings = Readings()
    for page in ("/a", "/b", "/c", "/a", "/d", "/e"):
        readings.ask(page, page)
    await readings.until_told(6)
    assert readings.asked_pages == [["/a", "/b"], ["/c", "/d"], ["/e"]]
