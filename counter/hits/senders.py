"""Who sent a request, as far as it tells and is believed."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import ip_address
from typing import Final

import structlog
from multidict import istr

from counter.asked import Asked
from counter.config import Network
from counter.hits.admission import Sender
from counter.hits.client import client_address, forwarded_hops
from counter.hits.visitors import MAX_AGENT_CHARACTERS, Address, parse_address
from counter.metrics import HttpMetrics

FORWARDING_HEADERS: Final = ("X-Forwarded-For", "Forwarded", "X-Real-IP")
PEERS: Final = 1024

# Looked up by these, a header's name need not be folded for each request.
USER_AGENT: Final = istr("User-Agent")
ORIGIN: Final = istr("Origin")
REFERER: Final = istr("Referer")
SEC_PURPOSE: Final = istr("Sec-Purpose")
PURPOSE: Final = istr("Purpose")
X_MOZ: Final = istr("X-Moz")
SEC_GPC: Final = istr("Sec-GPC")

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
        self._header = istr(header)
        self._is_list = header.lower() != "forwarded"
        self._untrusted = metrics.untrusted_proxies
        self._warned = False
        self._trusts = lru_cache(PEERS)(self._look_up)

    def find(self, request: Asked, token: str = "") -> Sender:
        """Return who sent a request.

        Args:
            request: of a beacon.
            token: that the beacon carries.
        """
        get = request.headers.get
        purpose = get(SEC_PURPOSE, "") + get(PURPOSE, "") + get(X_MOZ, "")
        return Sender(
            address=self._address(request),
            agent=get(USER_AGENT, "")[:MAX_AGENT_CHARACTERS],
            origin=get(ORIGIN, ""),
            referer=get(REFERER, ""),
            purpose=purpose and purpose.lower(),
            privacy=get(SEC_GPC, ""),
            token=token,
        )

    def _address(self, request: Asked) -> Address | None:
        peer = request.remote
        if not self._trusts(peer):
            self._watch(request)
            return parse_address(peer) if peer else None
        values = request.headers.getall(self._header, ())
        if len(values) == 1 and self._is_list and "," not in values[0]:
            # One proxy that names one client, as nearly always: whoever it is, nobody else is asked.
            client = parse_address(values[0])
            if client is not None:
                return client
        return client_address(peer, forwarded_hops(self._header, values), self._trusted)

    def _look_up(self, peer: str | None) -> bool:
        """Tell whether a peer's word is taken for it; nobody's is if no proxy is trusted."""
        if not self._trusted or not peer:
            return bool(self._trusted)
        address = parse_address(peer)
        return address is not None and any(ip_address(address) in network for network in self._trusted)

    def _watch(self, request: Asked) -> None:
        """Notice a proxy of ours that nobody has declared: everybody would seem to come from it."""
        headers = request.headers
        if not any(name in headers for name in FORWARDING_HEADERS):
            return
        peer = parse_address(request.remote or "127.0.0.1")
        if peer is None or not ip_address(peer).is_private:
            return
        self._untrusted.inc()
        if not self._warned:
            self._warned = True
            log.warning(
                "a proxy is not trusted, so all its visitors seem to be one; set COUNTER_TRUSTED_PROXIES"
            )
