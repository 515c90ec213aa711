"""From a request to a hit: who sent it, whether it counts, and which visitor that is."""

from collections.abc import Sequence
from typing import NamedTuple

from aiohttp import web

from counter.buckets.batch import NO_VISITOR, Hit, Kind
from counter.buckets.salts import Salts
from counter.clock import Clock
from counter.config import Network
from counter.hits.admission import Sender, Verdict, judge
from counter.hits.client import client_address
from counter.hits.visitors import MAX_AGENT_CHARACTERS, network_of, visitor_id
from counter.sites.calendar import DAY, Span
from counter.sites.model import Site


class Admitted(NamedTuple):
    """What the gate says of a beacon; `hit` is None if it does not count."""

    verdict: Verdict
    hit: Hit | None


class Gate:
    """Lets beacons in, and forgets who sent them."""

    def __init__(self, salts: Salts, clock: Clock, trusted_proxies: Sequence[Network]) -> None:
        self._salts = salts
        self._clock = clock
        self._trusted = trusted_proxies

    async def admit(self, request: web.Request, site: Site, kind: Kind, path: str = "") -> Admitted:
        """Judge a beacon.

        Args:
            request: carries it.
            site: that it is for.
            kind: VIEW or HEARTBEAT.
            path: normalised; for a view.

        Raises:
            BucketsUnavailableError: the salt of the day cannot be had.
        """
        sender = self.sender_of(request)
        verdict = judge(site, sender)
        at_ms = self._clock()
        if verdict is Verdict.BOT:
            return Admitted(verdict, Hit(site, at_ms, Kind.BOT) if kind is Kind.VIEW else None)
        if verdict is not Verdict.VIEW:
            return Admitted(verdict, None)
        visitor, visitor_before = await self._visitor(site, site.span_of(at_ms), sender)
        return Admitted(verdict, Hit(site, at_ms, kind, path, visitor, visitor_before))

    def sender_of(self, request: web.Request) -> Sender:
        """Return who sent a request, as far as it tells."""
        headers = request.headers
        forwarded_for = ",".join(headers.getall("X-Forwarded-For", ())) if self._trusted else ""
        purposes = (headers.get(name, "") for name in ("Sec-Purpose", "Purpose", "X-Moz"))
        return Sender(
            address=client_address(request.remote, forwarded_for, self._trusted),
            agent=headers.get("User-Agent", "")[:MAX_AGENT_CHARACTERS],
            origin=headers.get("Origin", ""),
            referer=headers.get("Referer", ""),
            purpose=" ".join(purposes).lower(),
        )

    async def _visitor(self, site: Site, span: Span, sender: Sender) -> tuple[bytes, bytes]:
        if sender.address is None:
            return NO_VISITOR, NO_VISITOR
        network = network_of(sender.address)
        visitor = visitor_id(await self._salts.of(span.day), site.key, network, sender.agent)
        if not span.carries:
            return visitor, NO_VISITOR
        salt_before = await self._salts.of(span.day - DAY)
        return visitor, visitor_id(salt_before, site.key, network, sender.agent)
