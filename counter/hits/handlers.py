"""The beacon's addresses: hits from the script, hits from a picture, heartbeats."""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import web

from counter.bodies import read_body
from counter.buckets.batch import Kind
from counter.buckets.lane import Outcome
from counter.buckets.recorder import Recorder
from counter.errors import BusyError
from counter.hits.admission import Verdict
from counter.hits.beacon import MAX_BODY_BYTES, check_site_key, parse_heartbeat, parse_hit
from counter.hits.gate import KIND_NAMES, Gate
from counter.hits.signing import LIFE_SECONDS, is_debug_key
from counter.http import (
    ANY_ORIGIN,
    NO_STORE,
    SAFE,
    json_answer,
    no_content,
    preflight,
)
from counter.metrics import HttpMetrics, Labelled
from counter.ready import EMPTY
from counter.sites.model import Site
from counter.sites.paths import normalise
from counter.sites.registry import SiteRegistry

PIXEL: Final = bytes.fromhex(
    "47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b"
)

AnswerHit = Callable[[Site, str], Awaitable[bytes | None]]
"""Makes the JSON that answers a hit: of a site and a page, with all that was recorded before it is asked."""


class HitHandlers:
    """Parse, admit, record, answer."""

    def __init__(
        self, sites: SiteRegistry, gate: Gate, recorder: Recorder, answer_hit: AnswerHit, metrics: HttpMetrics
    ) -> None:
        self._sites = sites
        self._gate = gate
        self._recorder = recorder
        self._answer_hit = answer_hit
        self._counted = Labelled(metrics.hits)

    def express(self) -> list[web.RouteDef]:
        """Return the addresses that most beacons are for."""
        return [web.post("/v1/hits", self.post_hit), web.post("/v1/heartbeats", self.post_heartbeat)]

    def routes(self) -> list[web.RouteDef]:
        """Return the addresses of this room."""
        return [
            *self.express(),
            web.options("/v1/hits", preflight("POST, OPTIONS")),
            web.get("/v1/hits.gif", self.get_pixel, allow_head=False),
            web.get("/v1/sites/{site}/token", self.get_token),
            web.options("/v1/heartbeats", preflight("POST, OPTIONS")),
        ]

    async def post_hit(self, request: web.Request) -> web.StreamResponse:
        """Count a hit and answer with the site's numbers, if they are wanted and can be had."""
        beacon = parse_hit(await read_body(request, MAX_BODY_BYTES))
        site = self._sites.find(beacon.site)
        path = normalise(beacon.path, site.settings.query_allow)
        reason, outcome = await self._record(request, site, Kind.VIEW, path, beacon.token)
        quiet, headers = self._wishes(request, site, reason)
        body = None if quiet else await self._answer_hit(site, path)
        spooled = outcome is Outcome.SPOOLED
        if body is None:
            return no_content(HTTPStatus.ACCEPTED if spooled else HTTPStatus.NO_CONTENT, headers)
        return json_answer(body, headers, HTTPStatus.ACCEPTED if spooled else HTTPStatus.OK)

    async def get_pixel(self, request: web.Request) -> web.Response:
        """Count a hit of a page without script, and answer with a picture of one clear pixel."""
        key = check_site_key(request.query.get("site", ""))
        site = self._sites.find(key)
        path = normalise(request.query.get("path", "/"), site.settings.query_allow)
        token = request.query.get("token", "")
        reason, _outcome = await self._record(request, site, Kind.VIEW, path, token)
        _quiet, headers = self._wishes(request, site, reason)
        return web.Response(
            body=PIXEL, content_type="image/gif", headers={**ANY_ORIGIN, **NO_STORE, **SAFE, **headers}
        )

    async def post_heartbeat(self, request: web.Request) -> web.StreamResponse:
        """Note that a visitor is still there; nothing is counted."""
        beacon = parse_heartbeat(await read_body(request, MAX_BODY_BYTES))
        await self._record(request, self._sites.find(beacon.site), Kind.HEARTBEAT, token=beacon.token)
        return no_content()

    async def get_token(self, request: web.Request) -> web.StreamResponse:
        """Answer with a token that lets hits of this client's network count for a while."""
        site = self._sites.find(check_site_key(request.match_info["site"]))
        body = {"token": self._gate.issue_token(request, site), "expires_in": LIFE_SECONDS}
        return json_answer(msgspec.json.encode(body))

    async def _record(
        self, request: web.Request, site: Site, kind: Kind, path: str = "", token: str = ""
    ) -> tuple[str, Outcome | None]:
        """Count what the gate lets in, and return why or why not; the sender is not told."""
        verdict, hit = await self._gate.admit(request, site, kind, path, token)
        result = KIND_NAMES[kind] if verdict is Verdict.VIEW else verdict
        try:
            outcome = await self._recorder.record(hit) if hit is not None else None
        except BusyError:
            self._counted["busy"].inc()
            raise
        self._counted[result].inc()
        return result, outcome

    @staticmethod
    def _wishes(request: web.Request, site: Site, reason: str) -> tuple[bool, Mapping[str, str]]:
        """Return whether no numbers are wanted, and the reason for a webmaster who proves to be one."""
        _path, _mark, query = request.raw_path.partition("?")
        if query in {"", "quiet=1"}:  # nearly always
            return bool(query), EMPTY
        debug = is_debug_key(request.query.get("debug", ""), site.secret, site.key)
        shown = {"Counter-Reason": reason, "Access-Control-Expose-Headers": "Counter-Reason"}
        return request.query.get("quiet") == "1", shown if debug else {}
