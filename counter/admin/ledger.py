"""The ledger over HTTP: amounts, totals, lists of old views, and taking all of them back."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Any, Final

import structlog
from aiohttp import web

from counter.admin.answers import admin_json
from counter.admin.asked import (
    asked_flag,
    asked_id,
    asked_limit,
    asked_text,
    day_of,
    number_of,
    read_list,
    read_object,
    site_key,
    text_of,
)
from counter.administration.acting import acting
from counter.administration.balances import (
    ALL,
    Balances,
    checked_day,
    checked_page,
    entries_of,
    metrics_of,
    read_balances,
)
from counter.administration.scopes import Bearer
from counter.aggregates.adjustments import Ledger
from counter.aggregates.entries import Entry
from counter.clock import Clock
from counter.database import Connection
from counter.errors import CounterError, InvalidInputError
from counter.sites.model import METRICS, Site
from counter.sites.store import SiteStore

RefreshBase = Callable[[str, Connection], Awaitable[object]]
"""Writes down what Redis has of a site, and makes its base anew."""

_FIELDS: Final = {"metric", "amount", "total", "day", "page", "reason", "author"}
_SOURCE_DIGITS: Final = 64

log = structlog.get_logger(__name__)


class LedgerApi:
    """What a token may see and change of ledgers."""

    def __init__(self, clock: Clock, refresh_base: RefreshBase) -> None:
        self._clock = clock
        self._refresh_base = refresh_base

    async def list_rows(self, request: web.Request, connection: Connection, _bearer: Bearer) -> web.Response:
        """Answer with a page of a site's ledger, oldest first."""
        site = await SiteStore(connection).find(site_key(request))
        limit = asked_limit(request)
        rows = await Ledger(connection).list_of(site.id, asked_id(request, "after") or 0, limit + 1)
        return admin_json(
            {
                "adjustments": [row._asdict() for row in rows[:limit]],
                "next": rows[limit - 1].id if len(rows) > limit else None,
            }
        )

    async def adjust(self, request: web.Request, connection: Connection, bearer: Bearer) -> web.Response:
        """Add an amount to a site's ledger, or what is missing for a total."""
        body = await read_object(request, _FIELDS)
        site = await SiteStore(connection).find(site_key(request))
        reason, author = text_of(body, "reason") or "", text_of(body, "author") or bearer.actor
        ledger = Ledger(connection)
        if body.get("total") is not None:
            totals = _totals(body)
            await self._refresh_base(site.key, connection)  # what Redis has belongs to what the site shows
            async with acting(connection, bearer.actor):
                ids = await ledger.set_totals(site.id, site.key, totals, reason, author)
        else:
            entries = self._entries(site, body)
            async with acting(connection, bearer.actor):
                ids = await ledger.enter(site.id, entries, reason, author)
        await self._show(site, connection)
        return await _rows(ledger, site, ids)

    async def reverse(self, request: web.Request, connection: Connection, bearer: Bearer) -> web.Response:
        """Take a row of a site's ledger back."""
        body = await read_object(request, {"reason", "author"})
        site = await SiteStore(connection).find(site_key(request))
        row = request.match_info["id"]
        if not (row.isascii() and row.isdecimal() and len(row) <= 18):  # noqa: PLR2004 - what a bigint holds
            raise InvalidInputError("a row of the ledger has a number")
        ledger = Ledger(connection)
        async with acting(connection, bearer.actor):
            ids = await ledger.reverse(
                site.id, [int(row)], text_of(body, "reason") or "", text_of(body, "author") or bearer.actor
            )
        await self._show(site, connection)
        return await _rows(ledger, site, ids)

    async def add_list(self, request: web.Request, connection: Connection, bearer: Bearer) -> web.Response:
        """Add old views of many pages to a site's ledger, or tell what would be added."""
        dry_run, reason = asked_flag(request, "dry_run"), asked_text(request, "reason")
        author = asked_text(request, "author") or bearer.actor
        site = await SiteStore(connection).find(site_key(request))
        body = await read_list(request)
        # Not in the loop, where hits would wait for it.
        balances = await asyncio.to_thread(read_balances, body, "the list", site.settings.query_allow)
        if dry_run:
            return admin_json(_list_document(balances, 0))
        async with acting(connection, bearer.actor):
            added = await Ledger(connection).enter(
                site.id, entries_of(balances), reason, author, balances.source
            )
        await self._show(site, connection)
        return admin_json(_list_document(balances, len(added)), HTTPStatus.CREATED)

    async def reverse_list(
        self, request: web.Request, connection: Connection, bearer: Bearer
    ) -> web.Response:
        """Take back all rows that a list added."""
        body = await read_object(request, {"reason", "author"})
        site = await SiteStore(connection).find(site_key(request))
        source = request.match_info["source"]
        if not (source.isascii() and source.isalnum() and len(source) == _SOURCE_DIGITS):
            raise InvalidInputError("a list is named by its source, as the answer to it told")
        async with acting(connection, bearer.actor):
            added = await Ledger(connection).reverse_source(
                site.id, source, text_of(body, "reason") or "", text_of(body, "author") or bearer.actor
            )
        await self._show(site, connection)
        return admin_json({"source": source, "added": len(added)}, HTTPStatus.CREATED)

    async def _show(self, site: Site, connection: Connection) -> None:
        """Bring an adjustment into what is shown; where that fails, the next rollup does."""
        try:
            await self._refresh_base(site.key, connection)
        except CounterError as error:
            log.warning("adjustment not shown yet", site=site.key, reason=str(error))

    def _entries(self, site: Site, body: dict[str, Any]) -> list[Entry]:
        amount = number_of(body, "amount")
        if not amount:
            raise InvalidInputError("there is an amount other than 0, or a total")
        page = checked_page(text_of(body, "page"), site.settings.query_allow)
        day = checked_day(day_of(body), site.span_of(self._clock()).day)
        return [Entry(name, amount, day, page) for name in metrics_of(_metric(body), page)]


def _totals(body: dict[str, Any]) -> dict[str, int]:
    total = number_of(body, "total")
    if total is None or total < 0:
        raise InvalidInputError("total is a whole number from 0")
    if any(body.get(name) is not None for name in ("amount", "day", "page")):
        raise InvalidInputError("a total goes without amount, day and page")
    return dict.fromkeys(metrics_of(_metric(body), None), total)


def _metric(body: dict[str, Any]) -> str:
    metric = text_of(body, "metric") or ALL
    if metric not in {ALL, *METRICS}:
        raise InvalidInputError(f"metric is one of {', '.join(METRICS)}, {ALL}")
    return metric


def _list_document(balances: Balances, added: int) -> dict[str, Any]:
    views = sum(balances.views.values())
    return {
        "source": balances.source,
        "lines": balances.lines,
        "pages": len(balances.views),
        "views": views,
        "added": added,
    }


async def _rows(ledger: Ledger, site: Site, ids: Sequence[int]) -> web.Response:
    if not ids:
        return admin_json({"adjustments": []})  # the total was that already
    rows = await ledger.list_of(site.id, min(ids) - 1, len(ids))
    return admin_json({"adjustments": [row._asdict() for row in rows]}, HTTPStatus.CREATED)
