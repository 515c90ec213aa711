"""The administration over HTTP, on the second listener: parse, call one thing, respond."""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from importlib.resources import files
from typing import Any, Final

import msgspec
import structlog
from aiohttp import web

from counter.admin.asked import (
    MAX_APPLY_BYTES,
    asked_id,
    asked_limit,
    asked_tags,
    asked_text,
    day_of,
    declared_of,
    flag_of,
    number_of,
    read_object,
    text_of,
)
from counter.admin.guard import Guard
from counter.administration.acting import acting
from counter.administration.audit import list_changes
from counter.administration.balances import ALL, checked_day, checked_page, metrics_of
from counter.administration.documents import document_of
from counter.administration.plan import plan_document
from counter.administration.scopes import Bearer, Need
from counter.administration.sites import SiteAdministration, site_tag
from counter.aggregates.adjustments import Adjustment, Ledger
from counter.aggregates.entries import Entry
from counter.clock import Clock
from counter.database import Connection, Pool
from counter.errors import CounterError, InvalidInputError, UnknownSiteError
from counter.http import NO_STORE, SAFE
from counter.metrics import AdminMetrics
from counter.sites.model import METRICS, Site
from counter.sites.store import SiteStore

log = structlog.get_logger(__name__)

RefreshBase = Callable[[str], Awaitable[object]]
"""Makes the base of a site anew."""

SITE: Final = "/v1/admin/sites/{site}"
_AMOUNT: Final = {"metric", "amount", "day", "page", "reason", "author"}


def admin_api_routes(
    pool: Pool, metrics: AdminMetrics, clock: Clock, refresh_base: RefreshBase | None = None
) -> list[web.RouteDef]:
    """Return the addresses of the administration.

    They need Postgres alone, and keep nothing that another process would have to know, so they may be served
    by any: workers hear of changed sites by `NOTIFY`, and the leader of the rollup takes up the ledger and
    clears what Redis has of removed sites. With `refresh_base` the widget shows an adjustment at once.
    """
    guard, api = Guard(pool, metrics), AdminApi(clock, refresh_base)
    return [
        web.get("/openapi.json", get_contract),
        web.get("/v1/admin/sites", guard.needs(Need.LOOK, api.list_sites)),
        web.post("/v1/admin/sites", guard.needs(Need.RULE, api.add_site)),
        web.post("/v1/admin/apply", guard.needs(Need.RULE, api.apply)),
        web.get(SITE, guard.needs(Need.LOOK, api.get_site)),
        web.patch(SITE, guard.needs(Need.CHANGE, api.change_site)),
        web.delete(SITE, guard.needs(Need.RULE, api.remove_site)),
        web.get(SITE + "/adjustments", guard.needs(Need.LOOK, api.list_adjustments)),
        web.post(SITE + "/adjustments", guard.needs(Need.CHANGE, api.adjust)),
        web.post(SITE + "/adjustments/{id}/reversal", guard.needs(Need.CHANGE, api.reverse)),
        web.get(SITE + "/changes", guard.needs(Need.LOOK, api.list_changes)),
        web.get("/v1/admin/changes", guard.needs(Need.LOOK, api.list_changes)),
    ]


class AdminApi:
    """What a token may see and change."""

    def __init__(self, clock: Clock, refresh_base: RefreshBase | None) -> None:
        self._clock = clock
        self._refresh_base = refresh_base

    async def list_sites(self, request: web.Request, connection: Connection, bearer: Bearer) -> web.Response:
        """Answer with a page of the sites that the token reaches."""
        page = await SiteAdministration(connection, bearer.actor).list_some(
            after=asked_text(request, "after"),
            search=asked_text(request, "search"),
            limit=asked_limit(request),
            only=bearer.site,
        )
        return _json({"sites": [document_of(site) for site in page.sites], "next": page.next})

    async def add_site(self, request: web.Request, connection: Connection, bearer: Bearer) -> web.Response:
        """Register a site."""
        site = await SiteAdministration(connection, bearer.actor).add(await read_object(request, None))
        where = {"Location": f"/v1/admin/sites/{site.key}"}
        return _site(site, HTTPStatus.CREATED, where)

    async def apply(self, request: web.Request, connection: Connection, bearer: Bearer) -> web.Response:
        """Let the sites be as declared, or tell what would change."""
        names = {"sites", "defaults", "prune", "dry_run", "confirm"}
        body = await read_object(request, names, MAX_APPLY_BYTES)
        plan = await SiteAdministration(connection, bearer.actor).apply(
            declared_of(body),
            prune=flag_of(body, "prune"),
            dry_run=flag_of(body, "dry_run"),
            confirmed=number_of(body, "confirm"),
        )
        return _json(plan_document(plan))

    async def get_site(self, request: web.Request, connection: Connection, _bearer: Bearer) -> web.Response:
        """Answer with a site."""
        return _site(await SiteStore(connection).find(_key(request)))

    async def change_site(self, request: web.Request, connection: Connection, bearer: Bearer) -> web.Response:
        """Change what the body names of a site."""
        document = await read_object(request, None)
        administration = SiteAdministration(connection, bearer.actor)
        return _site(await administration.change(_key(request), document, asked_tags(request)))

    async def remove_site(self, request: web.Request, connection: Connection, bearer: Bearer) -> web.Response:
        """Remove a site with all its numbers."""
        administration = SiteAdministration(connection, bearer.actor)
        await administration.remove(_key(request), request.query.get("confirm"), asked_tags(request))
        return web.Response(status=HTTPStatus.NO_CONTENT, headers=NO_STORE | SAFE)

    async def list_adjustments(
        self, request: web.Request, connection: Connection, _bearer: Bearer
    ) -> web.Response:
        """Answer with a page of a site's ledger, oldest first."""
        site = await SiteStore(connection).find(_key(request))
        limit = asked_limit(request)
        rows = await Ledger(connection).list_of(site.id, asked_id(request, "after") or 0, limit + 1)
        return _json(
            {
                "adjustments": [row._asdict() for row in rows[:limit]],
                "next": rows[limit - 1].id if len(rows) > limit else None,
            }
        )

    async def adjust(self, request: web.Request, connection: Connection, bearer: Bearer) -> web.Response:
        """Add to a site's ledger."""
        body = await read_object(request, _AMOUNT)
        site = await SiteStore(connection).find(_key(request))
        entries = self._entries(site, body)
        ledger = Ledger(connection)
        async with acting(connection, bearer.actor):
            ids = await ledger.enter(
                site.id, entries, text_of(body, "reason") or "", text_of(body, "author") or bearer.actor
            )
        await self._show(site)
        return await _rows(ledger, site, ids)

    async def reverse(self, request: web.Request, connection: Connection, bearer: Bearer) -> web.Response:
        """Take a row of a site's ledger back."""
        body = await read_object(request, {"reason", "author"})
        site = await SiteStore(connection).find(_key(request))
        row = request.match_info["id"]
        if not (row.isascii() and row.isdecimal() and len(row) <= 18):  # noqa: PLR2004 - what a bigint holds
            raise InvalidInputError("a row of the ledger has a number")
        ledger = Ledger(connection)
        async with acting(connection, bearer.actor):
            ids = await ledger.reverse(
                site.id, [int(row)], text_of(body, "reason") or "", text_of(body, "author") or bearer.actor
            )
        await self._show(site)
        return await _rows(ledger, site, ids)

    async def list_changes(
        self, request: web.Request, connection: Connection, bearer: Bearer
    ) -> web.Response:
        """Answer with changes, newest first: of one site, or of all that the token reaches."""
        limit = asked_limit(request)
        site = _key(request) if "site" in request.match_info else bearer.site
        before = asked_id(request, "before")
        changes = await list_changes(connection, before=before, site=site, limit=limit + 1)
        return _json(
            {
                "changes": [change._asdict() for change in changes[:limit]],
                "next": changes[limit - 1].id if len(changes) > limit else None,
            }
        )

    async def _show(self, site: Site) -> None:
        """Bring an adjustment into what is shown; where that fails, the next rollup does."""
        if self._refresh_base is None:
            return
        try:
            await self._refresh_base(site.key)
        except CounterError as error:
            log.warning("adjustment not shown yet", site=site.key, reason=str(error))

    def _entries(self, site: Site, body: dict[str, Any]) -> list[Entry]:
        amount = number_of(body, "amount")
        metric = text_of(body, "metric") or ALL
        if not amount or metric not in {ALL, *METRICS}:
            raise InvalidInputError(
                f"there is an amount other than 0, and a metric of {', '.join(METRICS)}, all"
            )
        page = checked_page(text_of(body, "page"), site.settings.query_allow)
        day = checked_day(day_of(body), site.span_of(self._clock()).day)
        return [Entry(name, amount, day, page) for name in metrics_of(metric, page)]


async def get_contract(_request: web.Request) -> web.Response:
    """Answer with the contract of the administration."""
    body = files("counter.admin").joinpath("openapi.json").read_bytes()
    return web.Response(body=body, content_type="application/json", headers=NO_STORE | SAFE)


async def _rows(ledger: Ledger, site: Site, ids: list[int]) -> web.Response:
    rows: list[Adjustment] = list(await ledger.list_of(site.id, min(ids) - 1, len(ids)))
    return _json({"adjustments": [row._asdict() for row in rows]}, HTTPStatus.CREATED)


def _key(request: web.Request) -> str:
    key = request.match_info["site"]
    if "\0" in key or not key.isprintable():
        raise UnknownSiteError
    return key


def _site(site: Site, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None) -> web.Response:
    return _json(document_of(site), status, {"ETag": site_tag(site), **(headers or {})})


def _json(
    said: object, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None
) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(said),
        status=status,
        content_type="application/json",
        headers={**NO_STORE, **SAFE, **(headers or {})},
    )
