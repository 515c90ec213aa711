"""How much one address, its network and one site may send: enough for an office, too little for a flood."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec

from counter.buckets.batch import Kind
from counter.hits.admission import Verdict
from counter.hits.meters import Meter, Times
from counter.hits.shared import Shared, Table
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
_NEW_VISITOR: Final = 1
"""Where it is kept when a subscriber's next new visitor is due, behind when its next view is."""
_NEWEST: Final = 2
"""Where the mark of its newest visitor is kept."""
_MORE: Final = 2


class Guest(msgspec.Struct, frozen=True, gc=False):
    """Who sent a beacon, as far as limits are concerned.

    Prefixes differ in length, so none is taken for another one.

    Attributes:
        narrow: tells a subscriber apart: IPv4 /32, IPv6 /64.
        wide: tells a network apart: /24, /48.
        at: where the subscriber's times are.
        now: when it came (seconds of the limits' clock).
    """

    narrow: bytes
    wide: bytes
    at: int
    now: float


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


class Remember(Protocol):
    """Makes what remembers: alone, or together with the other workers of the host."""

    def __call__(self, keys: int, more: int = 0) -> Table:
        """Return a table of about so many keys, with so many more cells for each."""


class Limits:
    """Keeps count of who sends how much, of as many as it can remember.

    What a subscriber's view needs is kept in one place: when the next view is due, when the next new visitor,
    and who the newest one is. So of most subscribers, who are one visitor, nothing else is looked up.

    Args:
        rates: what is admitted.
        now: seconds of a clock that never goes back, the same for all who remember together.
        remember: makes what it remembers them by; by default nobody else does so by it.
    """

    def __init__(self, rates: Rates, now: Callable[[], float], remember: Remember | None = None) -> None:
        remember = remember or Shared().table
        self._now = now
        self._subscribers = remember(ADDRESSES, _MORE)
        self._marks = self._subscribers.marks
        self._views = _meter(rates.address_per_second, self._subscribers, DEBT_SECONDS)
        # Visitors come in crowds at nine o'clock, so more of them may come at once.
        self._new_visitors = Meter(
            rates.new_visitors_per_minute / 60,
            int(5 * rates.new_visitors_per_minute),
            self._subscribers,
            DEBT_SECONDS,
        )
        self._visitors = remember(VISITORS)
        self._heartbeats = _meter(rates.address_per_second, remember(ADDRESSES), DEBT_SECONDS)
        self._networks: dict[str, Meter] = {
            kind: _meter(rates.network_per_second, remember(ADDRESSES))
            for kind in (Kind.VIEW, Kind.HEARTBEAT)
        }
        self._sites = _meter(rates.site_per_second, remember(ADDRESSES))
        self._displays = remember(DISPLAYS)
        self._limits_visitors = bool(rates.new_visitors_per_minute)
        self._limits_sites = bool(rates.site_per_second)

    def meet(self, address: Address) -> Guest:
        """Return what is known of who sent a beacon; it holds until another one's is asked for."""
        narrow, wide = prefixes_of(address)
        return Guest(narrow, wide, self._subscribers.seek(narrow), self._now())

    def refuses_unread(self, kind: Kind, guest: Guest | None) -> Verdict | None:
        """Return why an address is refused whatever it sends, None if it has to be looked at.

        In a flood this is all that a beacon costs: judging a User-Agent takes many times as long.
        """
        if guest is None:
            return None
        if kind is Kind.VIEW:
            passes = self._views.passes_at(guest.at, guest.now)
        else:
            passes = self._heartbeats.passes(guest.narrow, guest.now)
        return None if passes else Verdict.ADDRESS_RATE

    def refuses(self, kind: Kind, site: Site, guest: Guest | None) -> Verdict | None:
        """Return why a beacon of a kind, whose address may send it, is one too many; None if it is not."""
        if guest is not None and not self._networks[kind].passes(guest.wide, guest.now):
            return Verdict.NETWORK_RATE
        if self._limits_sites and not self._sites.passes((kind, site.id), self._now()):
            return Verdict.SITE_RATE
        return None

    def refuses_visitor(self, guest: Guest, visitor: bytes) -> Verdict | None:
        """Return why a visitor is one too many of an address, None if it is known or may come in."""
        if not self._limits_visitors:
            return None
        mark, at = hash(visitor), guest.at + _NEWEST
        newest = self._marks[at]
        if newest == mark:
            return None
        if newest and self._visitors.get(mark) is not None:
            return None
        if not self._new_visitors.passes_at(guest.at + _NEW_VISITOR, guest.now):
            return Verdict.NEW_VISITORS
        if newest:
            self._visitors.put(newest, guest.now)
        self._marks[at] = mark
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


def prefixes_of(address: Address) -> tuple[bytes, bytes]:
    """Return what tells a subscriber apart, and what tells a network apart."""
    if len(address) == IPV4_BYTES:
        return address, address[:3]
    return address[:8], address[:6]


def _meter(per_second: float, due: Times, debt_seconds: float = 0.0) -> Meter:
    return Meter(per_second, int(BURST_SECONDS * per_second), due, debt_seconds)
