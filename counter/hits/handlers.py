"""The beacon's addresses: hits from the script, hits from a picture, heartbeats."""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import web

from counter.asked import Asked, Reply, Short, query_of
from counter.background import settle
from counter.bodies import may_be_beacon, read_body
from counter.buckets.batch import Hit, Kind
from counter.buckets.lane import Outcome
from counter.buckets.recorder import Recorder
from counter.errors import BusyError
from counter.hits.admission import Verdict
from counter.hits.beacon import MAX_BODY_BYTES, check_site_key, parse_heartbeat, parse_hit
from counter.hits.gate import Admitted, Gate
from counter.hits.signing import LIFE_SECONDS, is_debug_key
from counter.http import (
    ANY_ORIGIN,
    NO_STORE,
    SAFE,
    json_answer,
    no_content,
    preflight,
    ready_problem,
)
from counter.metrics import HttpMetrics, Labelled
from counter.ready import EMPTY, Ready
from counter.sites.model import Site
from counter.sites.paths import normalise
from counter.sites.registry import SiteRegistry

PIXEL: Final = bytes.fromhex(
    "47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b"
)

AskNumbers = Callable[[Site, str, Callable[[bytes | None], None]], None]
"""Takes a site, a page, and who is told the JSON that answers a hit of it; None if there are no numbers."""


class HitHandlers:
    """Parse, admit, record, answer."""

    def __init__(
        self,
        sites: SiteRegistry,
        gate: Gate,
        recorder: Recorder,
        ask_numbers: AskNumbers,
        metrics: HttpMetrics,
    ) -> None:
        self._sites = sites
        self._gate = gate
        self._recorder = recorder
        self._ask_numbers = ask_numbers
        self._counted = Labelled(metrics.hits)

    def short(self) -> list[Short]:
        """Return the short way of the addresses that most beacons are for."""
        return [
            Short("POST", "/v1/hits", self.take_hit),
            Short("POST", "/v1/heartbeats", self.take_heartbeat),
        ]

    def routes(self) -> list[web.RouteDef]:
        """Return the addresses of this room."""
        return [
            web.post("/v1/hits", self.post_hit),
            web.options("/v1/hits", preflight("POST, OPTIONS")),
            web.get("/v1/hits.gif", self.get_pixel, allow_head=False),
            web.get("/v1/sites/{site}/token", self.get_token),
            web.post("/v1/heartbeats", self.post_heartbeat),
            web.options("/v1/heartbeats", preflight("POST, OPTIONS")),
        ]

    async def post_hit(self, request: web.Request) -> web.StreamResponse:
        """Count a hit and answer with the site's numbers, if they are wanted and can be had."""
        beacon = parse_hit(await read_body(request, MAX_BODY_BYTES))
        site = self._sites.find(beacon.site)
        path = normalise(beacon.path, site.settings.query_allow)
        reason, outcome = await self._record(request, site, Kind.VIEW, path, beacon.token)
        quiet, headers = self._wishes(request, site, reason)
        body = None if quiet else await self._numbers(site, path)
        status = HTTPStatus.ACCEPTED if outcome is Outcome.SPOOLED else HTTPStatus.NO_CONTENT
        return _hit_answer(body, status, headers)

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

    def take_hit(self, asked: Asked, _site: str, body: bytes, reply: Reply) -> bool:
        """Count a hit and answer as `post_hit` does, without waiting for anything but its batch."""
        if len(body) > MAX_BODY_BYTES or not may_be_beacon(asked):
            return False
        beacon = parse_hit(body)
        site = self._sites.find(beacon.site)
        path = normalise(beacon.path, site.settings.query_allow)
        admitted = self._gate.admit_now(asked, site, Kind.VIEW, path, beacon.token)
        if admitted is None:
            return False
        reason = _reason(admitted, Kind.VIEW)
        quiet, headers = self._wishes(asked, site, reason)
        ask = None if quiet else self._ask_numbers
        self._take(admitted.hit, _Waiter(reply, self._counted, reason, headers, ask, site, path))
        return True

    def take_heartbeat(self, asked: Asked, _site: str, body: bytes, reply: Reply) -> bool:
        """Note that a visitor is still there as `post_heartbeat` does."""
        if len(body) > MAX_BODY_BYTES or not may_be_beacon(asked):
            return False
        beacon = parse_heartbeat(body)
        site = self._sites.find(beacon.site)
        admitted = self._gate.admit_now(asked, site, Kind.HEARTBEAT, token=beacon.token)
        if admitted is None:
            return False
        reason = _reason(admitted, Kind.HEARTBEAT)
        self._take(admitted.hit, _Waiter(reply, self._counted, reason, spooled=HTTPStatus.NO_CONTENT))
        return True

    def _take(self, hit: Hit | None, waiter: "_Waiter") -> None:
        """Count what the gate let in, and tell who waits when somebody has it, or nobody can take it."""
        if hit is None:
            waiter(None)
            return
        try:
            self._recorder.take(hit, waiter)
        except BusyError as error:
            waiter(error)

    async def _numbers(self, site: Site, path: str) -> bytes | None:
        numbers: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self._ask_numbers(site, path, partial(settle, numbers))
        return await numbers

    async def _record(
        self, request: web.Request, site: Site, kind: Kind, path: str = "", token: str = ""
    ) -> tuple[str, Outcome | None]:
        """Count what the gate lets in, and return why or why not; the sender is not told."""
        admitted = await self._gate.admit(request, site, kind, path, token)
        reason = _reason(admitted, kind)
        try:
            outcome = await self._recorder.record(admitted.hit) if admitted.hit is not None else None
        except BusyError:
            self._counted["busy"].inc()
            raise
        self._counted[reason].inc()
        return reason, outcome

    @staticmethod
    def _wishes(asked: Asked, site: Site, reason: str) -> tuple[bool, Mapping[str, str]]:
        """Return whether no numbers are wanted, and the reason for a webmaster who proves to be one."""
        _path, _mark, query = asked.raw_path.partition("?")
        if query in {"", "quiet=1"}:  # nearly always
            return bool(query), EMPTY
        wishes = query_of(asked)
        debug = is_debug_key(wishes.get("debug", ""), site.secret, site.key)
        shown = {"Counter-Reason": reason, "Access-Control-Expose-Headers": "Counter-Reason"}
        return wishes.get("quiet") == "1", shown if debug else {}


class _Waiter(msgspec.Struct, gc=False):
    """Who waits to be told what became of a beacon. A thousand may wait, so it is small.

    Attributes:
        reply: takes the answer.
        counted: beacons by what became of them.
        reason: why this one counts, or does not.
        headers: of an answer without a problem.
        ask: asks for numbers; None if none are wanted.
        site: whose numbers.
        path: of the page whose numbers.
        spooled: the status if the disk has the hit.
        status: if there are no numbers.
    """

    reply: Reply
    counted: Labelled
    reason: str
    headers: Mapping[str, str] = EMPTY
    ask: AskNumbers | None = None
    site: Site | None = None
    path: str = ""
    spooled: HTTPStatus = HTTPStatus.ACCEPTED
    status: HTTPStatus = HTTPStatus.NO_CONTENT

    def __call__(self, outcome: Outcome | BusyError | None) -> None:
        """Answer, now that somebody has the hit, nobody can take it, or there is none."""
        if isinstance(outcome, BusyError):
            self.counted["busy"].inc()
            self.reply(ready_problem(outcome))
            return
        self.counted[self.reason].inc()
        if outcome is Outcome.SPOOLED:
            self.status = self.spooled
        if self.ask is None or self.site is None:
            self.reply(no_content(self.status, self.headers))
        else:
            self.ask(self.site, self.path, self._answer)

    def _answer(self, numbers: bytes | None) -> None:
        self.reply(_hit_answer(numbers, self.status, self.headers))


def _reason(admitted: Admitted, kind: Kind) -> str:
    """Return what becomes of a beacon, as the metrics call it."""
    return kind if admitted.verdict is Verdict.VIEW else admitted.verdict


def _hit_answer(body: bytes | None, status: HTTPStatus, headers: Mapping[str, str]) -> Ready:
    """Answer with numbers, if there are any; `status` is the one for none."""
    if body is None:
        return no_content(status, headers)
    return json_answer(body, headers, HTTPStatus.OK if status is HTTPStatus.NO_CONTENT else status)
