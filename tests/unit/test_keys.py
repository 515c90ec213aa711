"""The names of keys in Redis: read back, kept apart, and of one lane together."""

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counter.buckets.keys import BucketName, LaneKeys, lane_of, salt_key
from counter.buckets.store import generation_name
from counter.sites.model import KEY_PATTERN

sites = st.from_regex(KEY_PATTERN, fullmatch=True)
days = st.dates()
generations = st.integers(0, 2**42).map(generation_name)
names = st.builds(BucketName, sites, days, generations)


@given(name=names)
def test_bucket_name_reads_back(name):
    """A bucket's name says which site, day and generation it is of, and nothing else."""
    assert BucketName.parse(str(name)) == name
    assert str(name).count(" ") == 2


@pytest.mark.parametrize(
    "text", ["", "a", "a 2026-11-24", "a 2026-02-30 g", "a  g", "a 2026-11-24 g h", "a day g"]
)
def test_foreign_bucket_name(text):
    """What is no bucket's name is refused."""
    with pytest.raises(ValueError, match=r".+"):
        BucketName.parse(text)


def all_keys(keys: LaneKeys, site: str, name: BucketName) -> list[str]:
    fixed = [keys.generation, keys.parts, keys.open, keys.dirty, keys.token("w")]
    of_site = [keys.site(site, kind) for kind in ("seen", "index", "base")]
    of_bucket = [keys.bucket(str(name), kind) for kind in ("day", "visitors", "pages", "changed")]
    return [*fixed, *of_site, *of_bucket, keys.earlier(site, name.day)]


@given(lane=st.integers(0, 255).map(str), site=sites, name=names)
def test_lane_shares_one_hash_tag(lane, site, name):
    """All keys of a lane are different and share its hash tag, so one script may touch them on a cluster."""
    keys = all_keys(LaneKeys(lane), site, name)
    assert len(set(keys)) == len(keys)
    for key in keys:
        tag = re.search(r"\{(.*?)\}", key)  # the first braces, as a cluster reads them
        assert tag is not None
        assert tag[1] == lane
        assert key.startswith(LaneKeys(lane).prefix)


@given(lane=st.integers(0, 255).map(str), site=sites, other_site=sites, name=names, other_name=names)
def test_sites_and_buckets_share_no_key(lane, site, other_site, name, other_name):
    """Two sites, and two buckets, have no key in common."""
    keys = LaneKeys(lane)
    if site != other_site:
        assert keys.site(site, "seen") != keys.site(other_site, "seen")
        assert keys.earlier(site, name.day) != keys.earlier(other_site, name.day)
    if name != other_name:
        assert keys.bucket(str(name), "day") != keys.bucket(str(other_name), "day")


@given(lane=st.integers(0, 255).map(str), site=sites, name=names)
def test_prefixes_lead_to_their_keys(lane, site, name):
    """The scripts find buckets and earlier visitors by the prefixes they are given."""
    keys = LaneKeys(lane)
    assert keys.bucket(str(name), "pages") == f"{keys.bucket_prefix}{name}:pages"
    assert keys.earlier(site, name.day) == f"{keys.earlier_prefix(site)}{name.day.isoformat()}"


@given(day=days)
def test_salt_belongs_to_a_day(day):
    """Each local date has a salt of its own, which all lanes share."""
    assert salt_key(day) == f"counter:{{salt}}:{day.isoformat()}"


@given(site=sites, lanes=st.integers(1, 256))
def test_lane_is_one_of_the_lanes(site, lanes):
    """A site is in one of the lanes, the same one each time."""
    assert lane_of(site, lanes) == lane_of(str(site), lanes)
    assert 0 <= lane_of(site, lanes) < lanes
    assert lane_of(site, 1) == 0


def test_lane_never_changes():
    """A site's lane is the same in every version, as its hot data would be lost sight of otherwise."""
    assert [lane_of(site, 16) for site in ("demo", "portal", "a.b-c_d")] == [9, 11, 10]


@pytest.mark.parametrize("lanes", [2, 7, 16, 256])
def test_sites_spread_over_lanes(lanes):
    """Ten thousand sites spread over the lanes: none holds more than twice its share."""
    shares = Counter(lane_of(f"site-{number}", lanes) for number in range(10_000))
    assert len(shares) == lanes
    assert max(shares.values()) <= 2 * 10_000 / lanes


def test_generations_sort_by_time():
    """The names of generations sort by when they began and never repeat."""
    began_at = [0, 1, 1, 1_764_000_000_000, 1_764_000_000_001, 2**43]
    generated = [generation_name(at) for at in began_at]
    assert [name[:11] for name in generated] == sorted(name[:11] for name in generated)
    assert len(set(generated)) == len(generated)
