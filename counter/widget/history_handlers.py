"""The addresses that tell what was counted when: the history and the most viewed pages, as JSON or CSV."""

from typing import Final

from aiohttp import web

from counter.errors import InvalidInputError
from counter.http import ANY_ORIGIN, cacheable, preflight
from counter.sites.registry import SiteRegistry
from counter.widget.answers import history_csv, history_json, top_csv, top_json
from counter.widget.history import MOST_PAGES, History
from counter.widget.periods import parse_asked
from counter.widget.render import Answer

FRESH: Final = "public, max-age=10, stale-while-revalidate=60"
STALE: Final = "no-cache"
METHODS: Final = "GET, HEAD, OPTIONS"


class HistoryHandlers:
    """Look up, render, answer; a site whose statistics are not public is like an unknown one."""

    def __init__(self, sites: SiteRegistry, history: History) -> None:
        self._sites = sites
        self._history = history

    def routes(self) -> list[web.RouteDef]:
        """Return the addresses of the statistics."""
        return [
            web.get("/v1/sites/{site}/history", self.get_history),
            web.options("/v1/sites/{site}/history", preflight(METHODS)),
            web.get("/v1/sites/{site}/top", self.get_top),
            web.options("/v1/sites/{site}/top", preflight(METHODS)),
        ]

    async def get_history(self, request: web.Request) -> web.Response:
        """Answer with views, visits, visitors and bots by hour, day, week or month."""
        site = self._sites.find_public(request.match_info["site"])
        query = request.query
        asked = parse_asked(query.get("unit", "day"), query.get("from"), query.get("to"))
        wants_csv = _wants_csv(request)
        series = await self._history.of(site, asked)
        if wants_csv:
            name = f"{site.key}-{asked.unit}-{series.period.first}-{series.period.last}"
            return _csv(request, history_csv(series), name, stale=series.stale)
        return _json(request, history_json(series, site), stale=series.stale)

    async def get_top(self, request: web.Request) -> web.Response:
        """Answer with the most viewed pages of a stretch of days."""
        site = self._sites.find_public(request.match_info["site"])
        asked = parse_asked("day", request.query.get("from"), request.query.get("to"))
        number = _number(request.query.get("limit", "20"))
        wants_csv = _wants_csv(request)
        top = await self._history.top(site, asked.first, asked.last)
        if wants_csv:
            name = f"{site.key}-top-{top.period.first}-{top.period.last}"
            return _csv(request, top_csv(top, number), name, stale=top.stale)
        return _json(request, top_json(top, site, number), stale=top.stale)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(MOST_PAGES))):
        raise InvalidInputError(f"limit is 1 to {MOST_PAGES}")
    if not 1 <= int(text) <= MOST_PAGES:
        raise InvalidInputError(f"limit is 1 to {MOST_PAGES}")
    return int(text)


def _wants_csv(request: web.Request) -> bool:
    """Tell what form is wanted: `?format=` says it, otherwise the Accept header does."""
    form = request.query.get("format")
    if form not in {None, "json", "csv"}:
        raise InvalidInputError("the format is json or csv")
    return form == "csv" or (form is None and request.headers.get("Accept", "").startswith("text/csv"))


def _json(request: web.Request, answer: Answer, *, stale: bool) -> web.Response:
    return cacheable(request, *answer, "application/json", _headers(stale=stale))


def _csv(request: web.Request, answer: Answer, name: str, *, stale: bool) -> web.Response:
    attached = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return cacheable(request, *answer, "text/csv", _headers(stale=stale) | attached)


def _headers(*, stale: bool) -> dict[str, str]:
    return ANY_ORIGIN | {"Cache-Control": STALE if stale else FRESH, "Vary": "Accept"}
