"""What one address, its network and one site may send."""

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st

from counter.buckets.batch import Kind
from counter.hits.admission import Verdict
from counter.hits.limits import BURST_SECONDS, DEBT_SECONDS, Limits, Rates, prefixes_of
from tests.unit.making import site_with

RATES = Rates(address_per_second=1, network_per_second=4, site_per_second=0, new_visitors_per_minute=6)
SITE = site_with()
BURST = BURST_SECONDS  # at one a second


class Ticks:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def refusal(limits: Limits, address: str | int, kind: Kind = Kind.VIEW) -> Verdict | None:
    """Ask both limits, as the gate does."""
    guest = limits.meet(ip_address(address).packed)
    return limits.refuses_unread(kind, guest) or limits.refuses(kind, SITE, guest)


def admitted(limits: Limits, address: str, beacons: int, kind: Kind = Kind.VIEW) -> int:
    return sum(refusal(limits, address, kind) is None for _beacon in range(beacons))


def test_flood_from_one_address_is_cut_to_its_burst():
    """An address may send its burst, and nothing more while it goes on; its neighbours are not held back by it."""
    ticks = Ticks()
    limits = Limits(RATES, ticks)
    assert admitted(limits, "203.0.113.9", 10_000) == BURST
    assert admitted(limits, "203.0.113.10", BURST) == BURST
    for _second in range(60):
        ticks.now += 1
        assert admitted(limits, "203.0.113.9", 100) == 0
    ticks.now += DEBT_SECONDS + 4.5
    assert admitted(limits, "203.0.113.9", 100) == 5


def test_office_that_is_over_the_rate_for_a_moment_loses_nothing():
    """A crowd above the rate lives on the burst, and once it is quieter there is a burst again."""
    ticks = Ticks()
    limits = Limits(RATES, ticks)
    for _second in range(BURST - 1):
        ticks.now += 1
        assert admitted(limits, "203.0.113.9", 2) == 2
    ticks.now += BURST
    assert admitted(limits, "203.0.113.9", BURST) == BURST


def test_neighbours_share_a_network():
    """A whole /24 has a limit of its own, and so has a /48; another network has none of it."""
    limits = Limits(RATES, Ticks())
    assert sum(admitted(limits, f"203.0.113.{host}", BURST) for host in range(100)) == 4 * BURST
    assert refusal(limits, "203.0.113.200") is Verdict.NETWORK_RATE
    assert admitted(limits, "203.0.114.1", BURST) == BURST
    assert sum(admitted(limits, f"2001:db8:1:{net:x}::1", BURST) for net in range(100)) == 4 * BURST
    assert admitted(limits, "2001:db8:2::1", BURST) == BURST


def test_heartbeats_do_not_use_up_what_views_may():
    """Each kind has its own account."""
    limits = Limits(RATES, Ticks())
    assert admitted(limits, "203.0.113.9", 100, Kind.HEARTBEAT) == BURST
    assert admitted(limits, "203.0.113.9", 100) == BURST


def test_site_has_a_limit_of_its_own_if_it_is_set():
    """However many addresses there are, a site gets no more than it may."""
    rates = Rates(address_per_second=0, network_per_second=0, site_per_second=2, new_visitors_per_minute=0)
    limits = Limits(rates, Ticks())
    verdicts = [refusal(limits, number << 8) for number in range(1, 101)]
    assert verdicts.count(None) == 2 * BURST
    assert verdicts.count(Verdict.SITE_RATE) == 100 - 2 * BURST


def visits(limits: Limits, address: str, visitors: Iterable[bytes]) -> list[Verdict | None]:
    """Return what becomes of the visitors of an address."""
    packed = ip_address(address).packed
    return [limits.refuses_visitor(limits.meet(packed), visitor) for visitor in visitors]


def test_new_visitors_of_an_address_are_limited_and_known_ones_are_not():
    """Who changes the User-Agent with each hit is soon refused; who was there before goes on."""
    ticks = Ticks()
    limits = Limits(RATES, ticks)
    visitors = [number.to_bytes(8) for number in range(100)]
    assert visits(limits, "203.0.113.9", visitors) == [None] * 30 + [Verdict.NEW_VISITORS] * 70
    assert visits(limits, "203.0.113.9", visitors[:30]) == [None] * 30
    assert visits(limits, "203.0.113.10", visitors[30:40]) == [None] * 10
    ticks.now += DEBT_SECONDS + 60
    assert visits(limits, "203.0.113.9", visitors[40:]).count(None) in {6, 7}


def test_one_visitor_of_each_address_is_counted_once_against_it():
    """A household's one visitor, and who takes turns with another one, use up nothing by coming again."""
    limits = Limits(RATES, Ticks())
    assert visits(limits, "203.0.113.9", [b"1"] * 100) == [None] * 100
    assert visits(limits, "203.0.113.9", [b"2", b"1"] * 100) == [None] * 200
    others = [number.to_bytes(8) for number in range(100)]
    assert visits(limits, "203.0.113.9", others).count(None) == 30 - 2


def test_views_may_be_unlimited_while_new_visitors_are_not():
    """Each rate can be switched off by itself."""
    limits = Limits(replace(RATES, address_per_second=0), Ticks())
    assert admitted(limits, "203.0.113.9", 4 * BURST) == 4 * BURST
    assert visits(limits, "203.0.113.9", [number.to_bytes(8) for number in range(100)]).count(None) == 30
    limits = Limits(replace(RATES, new_visitors_per_minute=0), Ticks())
    assert admitted(limits, "203.0.113.9", 100) == BURST
    assert visits(limits, "203.0.113.9", [number.to_bytes(8) for number in range(100)]) == [None] * 100


def test_repeated_display_counts_once_where_the_site_says_so():
    """The same page for the same visitor counts again only after the pause; other pages and visitors count."""
    ticks = Ticks()
    limits = Limits(RATES, ticks)
    site = site_with(repeat_seconds=10)
    shows = [(b"1", "/a"), (b"1", "/a"), (b"1", "/b"), (b"2", "/a")]
    found = [limits.refuses_display(site, *show) for show in shows]
    assert found == [None, Verdict.REPEATED, None, None]
    ticks.now += 9
    assert limits.refuses_display(site, b"1", "/a") is Verdict.REPEATED
    ticks.now += 1
    assert limits.refuses_display(site, b"1", "/a") is None
    assert limits.refuses_display(SITE, b"1", "/a") is None


@given(one=st.ip_addresses(), two=st.ip_addresses())
def test_prefixes_tell_subscribers_apart(one, two):
    """An address shares its narrow prefix with none but itself, or its /64, and the wide one holds the narrow."""
    same = one.version == two.version and (
        one == two if one.version == 4 else int(one) >> 64 == int(two) >> 64
    )
    (narrow, wide), (other_narrow, other_wide) = prefixes_of(one.packed), prefixes_of(two.packed)
    assert (narrow == other_narrow) == same
    if same:
        assert wide == other_wide
