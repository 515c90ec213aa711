"""What hits are answered with: those of a site that were recorded together, from one reading."""

from collections.abc import Callable, Iterable
from typing import Final

import structlog

from counter.background import Tasks
from counter.errors import NumbersUnavailableError
from counter.sites.model import Site
from counter.widget.pages import PageViews
from counter.widget.render import HitAnswer
from counter.widget.snapshots import Snapshots

TellNumbers = Callable[[bytes | None], None]
"""Takes the JSON that answers a hit; None if no numbers can be had, though the hit is counted."""
READ_PAGES: Final = 500
"""Pages whose views are read with one call."""

log = structlog.get_logger(__name__)


class HitAnswers:
    """Answers hits in rounds: whoever asks while a site is read is answered by its next reading.

    So each answer has everything that was recorded before it was asked for, and a site costs two calls to
    Redis for each round, however many hits there are.
    """

    def __init__(self, snapshots: Snapshots, pages: PageViews) -> None:
        self._snapshots = snapshots
        self._pages = pages
        self._asked: dict[str, list[tuple[str, TellNumbers]]] = {}
        self._rounds = Tasks()

    def ask(self, site: Site, page: str, tell: TellNumbers) -> None:
        """Have `tell` called with what answers a hit of a page, once everything recorded so far is in it."""
        asked = self._asked.get(site.key)
        if asked is not None:
            asked.append((page, tell))
            return
        self._asked[site.key] = [(page, tell)]
        self._rounds.add(self._answer(site))

    async def _answer(self, site: Site) -> None:
        """Read and tell, until nobody asks any more."""
        try:
            while asked := self._asked[site.key]:
                self._asked[site.key] = []
                await self._tell(site, asked)
        finally:
            del self._asked[site.key]

    async def _tell(self, site: Site, asked: list[tuple[str, TellNumbers]]) -> None:
        try:
            answer = await self._read(site, dict.fromkeys(page for page, _tell in asked))
        except NumbersUnavailableError:
            answer = None
        except Exception:
            log.exception("numbers broke", site=site.key)
            answer = None  # the hits are counted, and the pages keep what they show
        for page, tell in asked:
            try:
                tell(None if answer is None else answer.of(page))
            except Exception:
                log.exception("answer broke", site=site.key)

    async def _read(self, site: Site, pages: Iterable[str]) -> HitAnswer:
        snapshot = await self._snapshots.of(site, anew=True)
        wanted = list(pages)
        views: dict[str, int | None] = {}
        for at in range(0, len(wanted), READ_PAGES):
            some = wanted[at : at + READ_PAGES]
            views |= zip(some, await self._pages.of(site, some), strict=True)
        return HitAnswer(snapshot, site, views)
