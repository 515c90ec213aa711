"""From a request to a hit: who sent it, whether it counts, and which visitor that is."""

from collections.abc import Callable
from typing import Final, NamedTuple

from aiohttp import web

from counter.buckets.batch import NO_VISITOR, Hit, Kind
from counter.buckets.salts import Salts
from counter.clock import Clock
from counter.hits.admission import Sender, Verdict, judge
from counter.hits.limits import Limits, prefixes_of
from counter.hits.signing import ANYBODY, LIFE_SECONDS, sign
from counter.hits.visitors import Address, network_of, visitor_id
from counter.sites.calendar import DAY, Span
from counter.sites.model import Site

KIND_NAMES: Final = {kind: kind.value for kind in Kind}
"""Asking an enumeration for a value takes longer than looking it up."""

FindSender = Callable[[web.Request, str], Sender]
"""Takes a request and the token that it carries."""


class Admitted(NamedTuple):
    """What the gate says of a beacon; `hit` is None if it does not count."""

    verdict: Verdict
    hit: Hit | None


class Gate:
    """Lets beacons in, and forgets who sent them.

    Args:
        salts: behind the visitor ids.
        clock: tells when a beacon came.
        limits: on how much may come.
        find_sender: tells who sent a request.
    """

    def __init__(self, salts: Salts, clock: Clock, limits: Limits, find_sender: FindSender) -> None:
        self._salts = salts
        self._clock = clock
        self._limits = limits
        self._find_sender = find_sender

    async def admit(
        self, request: web.Request, site: Site, kind: Kind, path: str = "", token: str = ""
    ) -> Admitted:
        """Judge a beacon.

        Args:
            request: carries it.
            site: that it is for.
            kind: VIEW or HEARTBEAT.
            path: normalised; for a view.
            token: that it carries.

        Raises:
            BucketsUnavailableError: the salt of the day cannot be had.
        """
        at_ms = self._clock()
        sender = self._find_sender(request, token)
        address = sender.address
        prefixes = None if address is None else prefixes_of(address)
        name = KIND_NAMES[kind]
        if refusal := self._limits.refuses_unread(name, prefixes):
            return Admitted(refusal, None)
        verdict = judge(site, sender, at_ms // 1000)
        if verdict is not Verdict.VIEW and verdict is not Verdict.BOT:
            return Admitted(verdict, None)
        if refusal := self._limits.refuses(name, site, prefixes):
            return Admitted(refusal, None)
        if verdict is Verdict.BOT or address is None or prefixes is None:
            return Admitted(Verdict.BOT, Hit(site, at_ms, Kind.BOT) if kind is Kind.VIEW else None)
        visitor, visitor_before = await self._visitor(site, site.span_of(at_ms), sender, address)
        refusal = self._limits.refuses_visitor(prefixes, visitor)
        if refusal is None and kind is Kind.VIEW:
            refusal = self._limits.refuses_display(site, visitor, path)
        if refusal is not None:
            return Admitted(refusal, None)
        return Admitted(verdict, Hit(site, at_ms, kind, path, visitor, visitor_before))

    def issue_token(self, request: web.Request, site: Site) -> str:
        """Return a token for the network of the client."""
        address = self._find_sender(request, "").address
        network = ANYBODY if address is None else network_of(address)
        return sign(site.secret, site.key, self._clock() // 1000 + LIFE_SECONDS, network)

    async def _visitor(self, site: Site, span: Span, sender: Sender, address: Address) -> tuple[bytes, bytes]:
        network = network_of(address)
        salt = self._salts.known(span.day) or await self._salts.of(span.day)
        visitor = visitor_id(salt, site.key, network, sender.agent)
        if not span.carries:
            return visitor, NO_VISITOR
        salt_before = await self._salts.of(span.day - DAY)
        return visitor, visitor_id(salt_before, site.key, network, sender.agent)
