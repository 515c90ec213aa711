"""From a request to a hit: who sent it, whether it counts, and which visitor that is."""

from collections.abc import Callable

import msgspec

from counter.asked import Asked
from counter.buckets.batch import NO_VISITOR, Hit, Kind
from counter.buckets.salts import Salts
from counter.clock import Clock
from counter.hits.admission import Sender, Verdict, judge
from counter.hits.limits import Guest, Limits
from counter.hits.signing import ANYBODY, LIFE_SECONDS, sign
from counter.hits.visitors import network_of, visitor_id
from counter.sites.calendar import Span
from counter.sites.model import Site

FindSender = Callable[[Asked, str], Sender]
"""Takes a request and the token that it carries."""


class Admitted(msgspec.Struct, frozen=True, gc=False):
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

    async def admit(self, asked: Asked, site: Site, kind: Kind, path: str = "", token: str = "") -> Admitted:
        """Judge a beacon.

        Args:
            asked: carries it.
            site: that it is for.
            kind: VIEW or HEARTBEAT.
            path: normalised; for a view.
            token: that it carries.

        Raises:
            BucketsUnavailableError: the salt of the day cannot be had.
        """
        at_ms = self._clock()
        entered = self._enter(asked, site, kind, token, at_ms)
        if isinstance(entered, Admitted):
            return entered
        span = site.span_of(at_ms)
        salts = self._known_salts(span)
        if salts is None:
            salts = await self._salts_of(span)
            entered = self._again(entered)
        return self._name(entered, site, kind, path, at_ms, salts)

    def admit_now(
        self, asked: Asked, site: Site, kind: Kind, path: str = "", token: str = ""
    ) -> Admitted | None:
        """Judge a beacon as `admit` does; None, and nothing is done, if a salt has to be fetched for it."""
        at_ms = self._clock()
        salts = self._known_salts(site.span_of(at_ms))
        if salts is None:
            return None
        entered = self._enter(asked, site, kind, token, at_ms)
        return (
            entered if isinstance(entered, Admitted) else self._name(entered, site, kind, path, at_ms, salts)
        )

    def issue_token(self, asked: Asked, site: Site) -> str:
        """Return a token for the network of the client."""
        address = self._find_sender(asked, "").address
        network = ANYBODY if address is None else network_of(address)
        return sign(site.secret, site.key, self._clock() // 1000 + LIFE_SECONDS, network)

    def _enter(self, asked: Asked, site: Site, kind: Kind, token: str, at_ms: int) -> "Admitted | _Entered":
        """Judge who sent a beacon; a person's is judged further once it has a name."""
        sender = self._find_sender(asked, token)
        guest = None if sender.address is None else self._limits.meet(sender.address)
        if refusal := self._limits.refuses_unread(kind, guest):
            return Admitted(refusal, None)
        verdict = judge(site, sender, at_ms // 1000)
        if verdict is not Verdict.VIEW and verdict is not Verdict.BOT:
            return Admitted(verdict, None)
        if refusal := self._limits.refuses(kind, site, guest):
            return Admitted(refusal, None)
        if verdict is Verdict.BOT or guest is None:
            return Admitted(Verdict.BOT, Hit(site, at_ms, Kind.BOT) if kind is Kind.VIEW else None)
        return _Entered(sender, guest)

    def _again(self, entered: "_Entered") -> "_Entered":
        """Return the same with what is known of who sent it now, as others have come meanwhile."""
        address = entered.sender.address
        return entered if address is None else _Entered(entered.sender, self._limits.meet(address))

    def _name(  # noqa: PLR0917 - what a hit is made of
        self, entered: "_Entered", site: Site, kind: Kind, path: str, at_ms: int, salts: "_DaySalts"
    ) -> Admitted:
        """Name the visitor and judge what it sent."""
        network = entered.guest.narrow
        visitor = visitor_id(salts.today, site.key, network, entered.sender.agent)
        refusal = self._limits.refuses_visitor(entered.guest, visitor)
        if refusal is None and kind is Kind.VIEW:
            refusal = self._limits.refuses_display(site, visitor, path)
        if refusal is not None:
            return Admitted(refusal, None)
        before = NO_VISITOR
        if salts.before is not None:
            before = visitor_id(salts.before, site.key, network, entered.sender.agent)
        return Admitted(Verdict.VIEW, Hit(site, at_ms, kind, path, visitor, before))

    def _known_salts(self, span: Span) -> "_DaySalts | None":
        today = self._salts.known(span.day)
        before = self._salts.known(span.day_before) if span.carries else None
        if today is None or (span.carries and before is None):
            return None
        return _DaySalts(today, before)

    async def _salts_of(self, span: Span) -> "_DaySalts":
        today = await self._salts.of(span.day)
        return _DaySalts(today, await self._salts.of(span.day_before) if span.carries else None)


class _Entered(msgspec.Struct, frozen=True, gc=False):
    """A person's beacon that may come in."""

    sender: Sender
    guest: Guest


class _DaySalts(msgspec.Struct, frozen=True, gc=False):
    """The salt of a local day and, while visits are carried over midnight, of the day before."""

    today: bytes
    before: bytes | None = None
