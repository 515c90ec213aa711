"""How much one address, its network and one site may send: enough for an office, too little for a flood."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from counter.hits.admission import Verdict
from counter.hits.meters import Meter, Times
from counter.hits.shared import Shared
from counter.hits.visitors import IPV4_BYTES, Address
from counter.sites.model import Site

BURST_SECONDS: Final = 15
"""How many seconds' worth may come at once, after a pause."""
DEBT_SECONDS: Final = 10.0
"""An address that is refused has to slow down for so long: a flood gets its burst, and then nothing.

Networks and sites owe nothing, as others share them."""
ADDRESSES: Final = 16_384
VISITORS: Final = 32_768
DISPLAYS: Final = 32_768


class Prefixes(msgspec.Struct, frozen=True, gc=False):
    """Of an address; their lengths differ, so none is taken for another one.

    Attributes:
        narrow: tells a subscriber apart: IPv4 /32, IPv6 /64.
        wide: tells a network apart: /24, /48.
    """

    narrow: bytes
    wide: bytes


@dataclass(frozen=True, slots=True)
class Rates:
    """What is admitted; 0 sets no limit.

    Attributes:
        address_per_second: beacons of an IPv4 address or an IPv6 /64.
        network_per_second: beacons of an IPv4 /24 or an IPv6 /48.
        site_per_second: beacons for a site.
        new_visitors_per_minute: visitors of an address that were not seen lately.
    """

    address_per_second: float
    network_per_second: float
    site_per_second: float
    new_visitors_per_minute: float


Remember = Callable[[int], Times]
"""Makes what remembers so many keys: alone, or together with the other workers of the host."""


class Limits:
    """Keeps count of who sends how much, of as many as it can remember.

    Args:
        rates: what is admitted.
        now: seconds of a clock that never goes back, the same for all who remember together.
        remember: makes what it remembers them by; by default nobody else does so by it.
    """

    def __init__(self, rates: Rates, now: Callable[[], float], remember: Remember | None = None) -> None:
        remember = remember or Shared().table
        self._now = now
        self._addresses = _meter(rates.address_per_second, remember(ADDRESSES), DEBT_SECONDS)
        self._networks = _meter(rates.network_per_second, remember(ADDRESSES))
        self._sites = _meter(rates.site_per_second, remember(ADDRESSES))
        # Visitors come in crowds at nine o'clock, so more of them may come at once.
        self._new_visitors = Meter(
            rates.new_visitors_per_minute / 60,
            int(5 * rates.new_visitors_per_minute),
            remember(ADDRESSES),
            DEBT_SECONDS,
        )
        self._visitors = remember(VISITORS)
        self._displays = remember(DISPLAYS)

    def refuses_unread(self, kind: str, prefixes: Prefixes | None) -> Verdict | None:
        """Return why an address is refused whatever it sends, None if it has to be looked at.

        In a flood this is all that a beacon costs: judging a User-Agent takes many times as long.
        """
        if prefixes is None or self._addresses.passes((kind, prefixes.narrow), self._now()):
            return None
        return Verdict.ADDRESS_RATE

    def refuses(self, kind: str, site: Site, prefixes: Prefixes | None) -> Verdict | None:
        """Return why a beacon of a kind, whose address may send it, is one too many; None if it is not."""
        now = self._now()
        if prefixes is not None and not self._networks.passes((kind, prefixes.wide), now):
            return Verdict.NETWORK_RATE
        return None if self._sites.passes((kind, site.id), now) else Verdict.SITE_RATE

    def refuses_visitor(self, prefixes: Prefixes, visitor: bytes) -> Verdict | None:
        """Return why a visitor is one too many of an address, None if it is known or may come in."""
        if self._visitors.get(visitor) is None:
            now = self._now()
            if not self._new_visitors.passes(prefixes.narrow, now):
                return Verdict.NEW_VISITORS
            self._visitors.put(visitor, now)
        return None

    def refuses_display(self, site: Site, visitor: bytes, path: str) -> Verdict | None:
        """Return why a page counts no second time, None if it counts."""
        if not site.settings.repeat_seconds:
            return None
        now, display = self._now(), (visitor, path)
        before = self._displays.get(display)
        if before is not None and now - before < site.settings.repeat_seconds:
            return Verdict.REPEATED
        self._displays.put(display, now)
        return None


def prefixes_of(address: Address) -> Prefixes:
    """Return what tells a subscriber apart, and a network."""
    if len(address) == IPV4_BYTES:
        return Prefixes(address, address[:3])
    return Prefixes(address[:8], address[:6])


def _meter(per_second: float, due: Times, debt_seconds: float = 0.0) -> Meter:
    return Meter(per_second, int(BURST_SECONDS * per_second), due, debt_seconds)
