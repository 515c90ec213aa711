"""The administration over HTTP, on the second listener: parse, call one thing, respond."""

from collections.abc import Mapping
from http import HTTPStatus
from importlib.resources import files
from typing import Final

from aiohttp import web

from counter.admin.answers import admin_json
from counter.admin.asked import (
    MAX_APPLY_BYTES,
    asked_id,
    asked_limit,
    asked_tags,
    asked_text,
    declared_of,
    flag_of,
    number_of,
    read_object,
    site_key,
)
from counter.admin.guard import Guard
from counter.admin.ledger import LedgerApi, RefreshBase
from counter.administration.audit import list_changes
from counter.administration.documents import document_of
from counter.administration.plan import plan_document
from counter.administration.scopes import Bearer, Need
from counter.administration.sites import SiteAdministration, site_tag
from counter.clock import Clock
from counter.database import Connection, Pool
from counter.http import NO_STORE, SAFE
from counter.metrics import AdminMetrics
from counter.sites.model import Site
from counter.sites.store import SiteStore

SITE: Final = "/v1/admin/sites/{site}"
ADJUSTMENTS: Final = SITE + "/adjustments"
LISTS: Final = ADJUSTMENTS + "/lists"


def admin_api_routes(
    pool: Pool, metrics: AdminMetrics, clock: Clock, refresh_base: RefreshBase
) -> list[web.RouteDef]:
    """Return the addresses of the administration.

    They keep nothing that another process would have to know, so they may be served by any: workers hear of
    changed sites by `NOTIFY`, and the leader of the rollup clears what Redis has of removed sites. All but
    setting a total need Postgres alone.

    Args:
        pool: of connections to Postgres.
        metrics: count who was refused.
        clock: tells which days were.
        refresh_base: lets the widget show an adjustment at once.
    """
    guard, api, ledger = Guard(pool, metrics), AdminApi(), LedgerApi(clock, refresh_base)
    return [
        web.get("/openapi.json", get_contract),
        web.get("/v1/admin/sites", guard.needs(Need.LOOK, api.list_sites)),
        web.post("/v1/admin/sites", guard.needs(Need.RULE, api.add_site)),
        web.post("/v1/admin/apply", guard.needs(Need.RULE, api.apply)),
        web.get(SITE, guard.needs(Need.LOOK, api.get_site)),
        web.patch(SITE, guard.needs(Need.CHANGE, api.change_site)),
        web.delete(SITE, guard.needs(Need.RULE, api.remove_site)),
        web.get(ADJUSTMENTS, guard.needs(Need.LOOK, ledger.list_rows)),
        web.post(ADJUSTMENTS, guard.needs(Need.CHANGE, ledger.adjust)),
        web.post(ADJUSTMENTS + "/{id}/reversal", guard.needs(Need.CHANGE, ledger.reverse)),
        web.post(LISTS, guard.needs(Need.CHANGE, ledger.add_list)),
        web.post(LISTS + "/{source}/reversal", guard.needs(Need.CHANGE, ledger.reverse_list)),
        web.get(SITE + "/changes", guard.needs(Need.LOOK, api.list_changes)),
        web.get("/v1/admin/changes", guard.needs(Need.LOOK, api.list_changes)),
    ]


class AdminApi:
    """What a token may see and change of sites."""

    async def list_sites(self, request: web.Request, connection: Connection, bearer: Bearer) -> web.Response:
        """Answer with a page of the sites that the token reaches."""
        page = await SiteAdministration(connection, bearer.actor).list_some(
            after=asked_text(request, "after"),
            search=asked_text(request, "search"),
            limit=asked_limit(request),
            only=bearer.site,
        )
        return admin_json({"sites": [document_of(site) for site in page.sites], "next": page.next})

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
        return admin_json(plan_document(plan))

    async def get_site(self, request: web.Request, connection: Connection, _bearer: Bearer) -> web.Response:
        """Answer with a site."""
        return _site(await SiteStore(connection).find(site_key(request)))

    async def change_site(self, request: web.Request, connection: Connection, bearer: Bearer) -> web.Response:
        """Change what the body names of a site."""
        document = await read_object(request, None)
        administration = SiteAdministration(connection, bearer.actor)
        return _site(await administration.change(site_key(request), document, asked_tags(request)))

    async def remove_site(self, request: web.Request, connection: Connection, bearer: Bearer) -> web.Response:
        """Remove a site with all its numbers."""
        administration = SiteAdministration(connection, bearer.actor)
        await administration.remove(site_key(request), request.query.get("confirm"), asked_tags(request))
        return web.Response(status=HTTPStatus.NO_CONTENT, headers=NO_STORE | SAFE)

    async def list_changes(
        self, request: web.Request, connection: Connection, bearer: Bearer
    ) -> web.Response:
        """Answer with changes, newest first: of one site, or of all that the token reaches."""
        limit = asked_limit(request)
        site = site_key(request) if "site" in request.match_info else bearer.site
        before = asked_id(request, "before")
        changes = await list_changes(connection, before=before, site=site, limit=limit + 1)
        return admin_json(
            {
                "changes": [change._asdict() for change in changes[:limit]],
                "next": changes[limit - 1].id if len(changes) > limit else None,
            }
        )


async def get_contract(_request: web.Request) -> web.Response:
    """Answer with the contract of the administration."""
    body = files("counter.admin").joinpath("openapi.json").read_bytes()
    return web.Response(body=body, content_type="application/json", headers=NO_STORE | SAFE)


def _site(site: Site, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None) -> web.Response:
    return admin_json(document_of(site), status, {"ETag": site_tag(site), **(headers or {})})
