"""Who sent a request, as far as it tells and is believed."""

from collections.abc import Sequence
from typing import Final

import structlog
from aiohttp import web

from counter.config import Network
from counter.hits.admission import Sender
from counter.hits.client import client_address, forwarded_hops
from counter.hits.visitors import MAX_AGENT_CHARACTERS, parse_address
from counter.metrics import HttpMetrics

FORWARDING_HEADERS: Final = ("X-Forwarded-For", "Forwarded", "X-Real-IP")

log = structlog.get_logger(__name__)


class Senders:
    """Reads the sender of a request.

    Args:
        trusted: networks of our own proxies.
        header: the one forwarding header that they set; others may come from anybody.
        metrics: show proxies that are not trusted.
    """

    def __init__(self, trusted: Sequence[Network], header: str, metrics: HttpMetrics) -> None:
        self._trusted = trusted
        self._header = header
        self._untrusted = metrics.untrusted_proxies
        self._warned = False

    def find(self, request: web.Request, token: str = "") -> Sender:
        """Return who sent a request.

        Args:
            request: of a beacon.
            token: that the beacon carries.
        """
        headers = request.headers
        hops = forwarded_hops(self._header, headers.getall(self._header, ())) if self._trusted else []
        purposes = (headers.get(name, "") for name in ("Sec-Purpose", "Purpose", "X-Moz"))
        address = client_address(request.remote, hops, self._trusted)
        self._watch(request)
        return Sender(
            address=address,
            agent=headers.get("User-Agent", "")[:MAX_AGENT_CHARACTERS],
            origin=headers.get("Origin", ""),
            referer=headers.get("Referer", ""),
            purpose=" ".join(purposes).lower(),
            privacy=headers.get("Sec-GPC", ""),
            token=token,
        )

    def _watch(self, request: web.Request) -> None:
        """Notice a proxy of ours that nobody has declared: everybody would seem to come from it."""
        if not any(name in request.headers for name in FORWARDING_HEADERS):
            return
        peer = parse_address(request.remote or "127.0.0.1")
        if peer is None or not peer.is_private or any(peer in network for network in self._trusted):
            return
        self._untrusted.inc()
        if not self._warned:
            self._warned = True
            log.warning(
                "a proxy is not trusted, so all its visitors seem to be one; set COUNTER_TRUSTED_PROXIES"
            )
