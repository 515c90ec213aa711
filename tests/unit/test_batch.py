"""Hits packed for the script: nothing is lost on the way, and the script can read all of it."""

from collections import Counter
from collections.abc import Iterator
from datetime import date
from hashlib import blake2b
from itertools import islice
from typing import Any, NamedTuple

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from counter.buckets.batch import NO_VISITOR, Batch, Hit, Kind
from counter.buckets.keys import BucketName
from counter.hits.visitors import ID_BYTES
from counter.sites.model import Site
from tests.unit.making import ms, site_with

HEAD = 12
"""How many values a group begins with."""

MIDNIGHT = ms("2026-11-24T00:00+07:00")
SITES = [
    site_with("portal"),
    site_with("news", page_cap=2, visit_timeout_seconds=60, online_window_seconds=10),
    site_with("lord-howe", time_zone="Australia/Lord_Howe"),
]


class Group(NamedTuple):
    """What `record.lua` reads of one group."""

    site: str
    name: str
    hour: str
    carries: bool
    timeout_ms: int
    window_ms: int
    expires: bool
    page_cap: int
    bots: int
    views_at: list[int]
    pages: dict[str, int]
    heartbeats_at: list[int]

    @property
    def ids(self) -> int:
        """How many ids it has: two for each hit while visitors may be known from the day before."""
        return (len(self.views_at) + len(self.heartbeats_at)) * (2 if self.carries else 1)


def read_groups(values: list[Any]) -> Iterator[Group]:
    """Read what the script reads: heads, and behind each of them as many values as it announces."""
    rest = iter(values)
    while head := list(islice(rest, HEAD)):
        views, pages, heartbeats = head[-3:]
        views_at, names = list(islice(rest, views)), list(islice(rest, pages))
        counted = dict(zip(names, islice(rest, pages), strict=True))
        assert len(views_at) == views
        assert len(counted) == pages
        heartbeats_at = list(islice(rest, heartbeats))
        assert len(heartbeats_at) == heartbeats
        yield Group(*head[:-3], views_at, counted, heartbeats_at)


class Packed(NamedTuple):
    """A packed batch, read as the script reads it."""

    groups: list[Group]
    ids: list[bytes]

    def by_group(self) -> Iterator[tuple[Group, list[bytes]]]:
        """Yield each group with its ids."""
        read = 0
        for group in self.groups:
            yield group, self.ids[read : read + group.ids]
            read += group.ids


def pack(hits: list[Hit], *, expires: bool = True) -> Packed:
    batch = Batch()
    for hit in hits:
        batch.add(hit)
    assert len(batch) == len(hits)
    groups, ids = batch.pack("g1", expires=expires)
    assert len(ids) % ID_BYTES == 0
    in_eights = [ids[at : at + ID_BYTES] for at in range(0, len(ids), ID_BYTES)]
    return Packed(list(read_groups(msgspec.msgpack.decode(groups))), in_eights)


def visitor(number: int, day: str) -> bytes:
    return blake2b(f"{number} {day}".encode(), digest_size=ID_BYTES).digest()


@st.composite
def hits(draw: st.DrawFn, sites: list[Site] = SITES) -> Hit:
    """A hit around a midnight, with the ids that the gate gives it."""
    site = draw(st.sampled_from(sites))
    at_ms = MIDNIGHT + draw(st.integers(-3_600_000, 7_200_000))
    kind = draw(st.sampled_from(Kind))
    if kind is Kind.BOT:
        return Hit(site, at_ms, kind)
    who = draw(st.integers(0, 3))
    before = visitor(who, "before") if site.span_of(at_ms).carries else NO_VISITOR
    path = draw(st.sampled_from(["/", "/tin-tức", "/a?id=1"])) if kind is Kind.VIEW else ""
    return Hit(site, at_ms, kind, path, visitor(who, "day"), before)


def told(hit: Hit) -> tuple[str, int, str, bytes, bytes]:
    return (hit.site.key, hit.at_ms, hit.kind.value, hit.visitor, hit.visitor_before)


@given(sent=st.lists(hits(), max_size=40), expires=st.booleans())
def test_packing_loses_nothing(sent, expires):
    """Every view, heartbeat and bot is in its site's group of its hour, once, with its time and its ids."""
    packed = pack(sent, expires=expires)
    assert sum(group.ids for group in packed.groups) == len(packed.ids)
    read: list[tuple[str, int, str, bytes, bytes]] = []
    bots: Counter[tuple[str, str]] = Counter()
    for group, ids in packed.by_group():
        site = BucketName.parse(group.name).site
        step = 2 if group.carries else 1
        before = ids[1::2] if group.carries else [NO_VISITOR] * len(ids)
        times = [*group.views_at, *group.heartbeats_at]
        kinds = ["view"] * len(group.views_at) + ["heartbeat"] * len(group.heartbeats_at)
        read += [(site, *row) for row in zip(times, kinds, ids[::step], before, strict=True)]
        bots[group.name, group.hour] += group.bots
        assert group.expires is expires
    assert Counter(read) == Counter(told(hit) for hit in sent if hit.kind is not Kind.BOT)
    wanted = Counter(
        (str(BucketName(hit.site.key, span.day, "g1")), f"{span.hour:02d}")
        for hit in sent
        if hit.kind is Kind.BOT and (span := hit.site.span_of(hit.at_ms))
    )
    assert +bots == wanted


@given(sent=st.lists(hits(), max_size=40))
def test_group_is_of_one_site_day_and_hour(sent):
    """A group's bucket, hour and rules are those of each of its hits, and it names its site."""
    packed = pack(sent)
    by_key = {site.key: site for site in SITES}
    for group in packed.groups:
        key, day, generation = BucketName.parse(group.name)
        site, settings = by_key[key], by_key[key].settings
        assert generation == "g1"
        for at_ms in (*group.views_at, *group.heartbeats_at):
            span = site.span_of(at_ms)
            assert (span.day, f"{span.hour:02d}", span.carries) == (day, group.hour, group.carries)
        assert group.timeout_ms == settings.visit_timeout_seconds * 1000
        assert group.window_ms == settings.online_window_seconds * 1000
        assert group.page_cap == settings.page_cap
        assert group.site == key


@given(sent=st.lists(hits(), max_size=40))
def test_pages_add_up_to_the_views(sent):
    """Each page has as many views as hits, and together they are the group's views."""
    for group in pack(sent).groups:
        assert sum(group.pages.values()) == len(group.views_at)
        assert all(group.pages.values())


@given(sent=st.lists(hits(), max_size=20))
def test_nothing_is_packed_as_bytes(sent):
    """The packed groups hold no msgpack `bin`, which Redis' own decoder refuses."""
    batch = Batch()
    for hit in sent:
        batch.add(hit)
    groups, _ids = batch.pack("g1", expires=True)
    assert all(isinstance(value, str | int | bool) for value in msgspec.msgpack.decode(groups))


def test_carried_hits_bring_two_ids():
    """Just after midnight a hit brings 16 bytes, later 8, a bot none."""
    site = SITES[0]
    early = Hit(site, MIDNIGHT + 1, Kind.VIEW, "/", b"today..1", b"before.1")
    late = Hit(site, MIDNIGHT + 1_800_000, Kind.HEARTBEAT, "", b"today..1", NO_VISITOR)
    packed = pack([early, late, Hit(site, MIDNIGHT, Kind.BOT)])
    assert packed.ids == [b"today..1", b"before.1", b"today..1"]
    assert [(group.carries, group.bots) for group in packed.groups] == [(True, 1), (False, 0)]


def test_hits_of_one_hour_share_a_group():
    """A thousand hits of a busy hour are one group, as the size of a call follows the groups."""
    noon = MIDNIGHT + 12 * 3_600_000
    packed = pack([Hit(SITES[0], noon + number, Kind.VIEW, "/", b"visitor1") for number in range(1000)])
    assert len(packed.groups) == 1
    assert packed.groups[0].pages == {"/": 1000}


def test_settings_that_change_while_a_batch_gathers():
    """A site whose settings change between two hits is two groups, each by the rules of its own moment."""
    before, after = site_with(time_zone="Asia/Ho_Chi_Minh"), site_with(time_zone="UTC", page_cap=7)
    utc_midnight = ms("2026-11-24T00:00Z")
    packed = pack(
        [
            Hit(before, utc_midnight, Kind.VIEW, "/", b"hanoi..1", NO_VISITOR),
            Hit(after, utc_midnight, Kind.VIEW, "/", b"utc....1", b"before.1"),
        ]
    )
    assert [(group.hour, group.carries, group.page_cap) for group in packed.groups] == [
        ("07", False, 10_000),
        ("00", True, 7),
    ]
    assert packed.ids == [b"hanoi..1", b"utc....1", b"before.1"]
    assert {BucketName.parse(group.name).day for group in packed.groups} == {date(2026, 11, 24)}


def test_empty_batch():
    """A batch without hits has no groups or ids."""
    assert pack([]) == Packed([], [])
