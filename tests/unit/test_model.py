"""The rules that a site's settings and key keep."""

from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counter.errors import SiteError
from counter.sites.model import METRICS, Site, SiteSettings, calendar_of, check_key
from tests.unit.making import ms

LIMITS = [
    ("first_weekday", 1, 7),
    ("visit_timeout_seconds", 60, 86_400),
    ("online_window_seconds", 10, 3600),
    ("page_cap", 0, 1_000_000),
]


def test_defaults():
    """A new site counts visits of 30 minutes by Vietnam's time, online for 5 minutes, weeks from Monday."""
    settings = SiteSettings()
    assert settings.time_zone == "Asia/Ho_Chi_Minh"
    assert settings.first_weekday == 1
    assert settings.visit_timeout_seconds == 30 * 60
    assert settings.online_window_seconds == 5 * 60
    assert settings.metric == "visits"
    assert settings.hosts == settings.query_allow == ()


@pytest.mark.parametrize(("name", "least", "most"), LIMITS)
def test_limits(name, least, most):
    """A setting is within its limits, or the error names it and them."""
    for value in (least, most):
        assert getattr(SiteSettings(**{name: value}), name) == value
    for value in (least - 1, most + 1, -1, 2**63):
        with pytest.raises(SiteError, match=f"{name} is {least} to {most}"):
            SiteSettings(**{name: value})


@pytest.mark.parametrize("zone", ["", "Hanoi", "UTC+7", "../UTC", "Asia/Ho_Chi_Minh ", "Asia"])
def test_time_zone(zone):
    """A time zone is an IANA name; another one is named in the error."""
    with pytest.raises(SiteError, match="is no IANA time zone"):
        SiteSettings(time_zone=zone)


def test_metric():
    """The metric is visits, views or visitors, and nothing else."""
    assert METRICS == ("visits", "views", "visitors")
    assert [SiteSettings(metric=metric).metric for metric in METRICS] == list(METRICS)
    with pytest.raises(SiteError, match="visits, views, visitors"):
        SiteSettings(metric="hits")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "host",
    [
        "portal.example",
        "*.portal.example",
        "portal.example:8080",
        "*.portal.example:8080",
        "localhost",
        "192.0.2.1",
    ],
)
def test_hosts(host):
    """A host may be a name, all below one, or one with a port."""
    assert SiteSettings(hosts=("a.example", host)).hosts == ("a.example", host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "*",
        "*.",
        "Portal.example",
        "https://portal.example",
        "portal.example/",
        "portal.example:",
        "portal.example:x",
        "a b",
        "-a.example",
        "a.example-",
        "*portal.example",
        "a.*.example",
        "a.example\n",
        "cổng.example",
        "a" * 300,
    ],
)
def test_what_is_no_host(host):
    """What no browser would send as a host is refused when it is set, not ignored when a hit comes."""
    with pytest.raises(SiteError, match="a host looks like"):
        SiteSettings(hosts=("a.example", host))


@pytest.mark.parametrize("parameter", ["", "a&b", "a=b", "a#b", "a b", "a\n", "a" * 65])
def test_what_is_no_parameter(parameter):
    """What can be no query parameter's name is refused."""
    with pytest.raises(SiteError, match="a query parameter"):
        SiteSettings(query_allow=("id", parameter))


@pytest.mark.parametrize("key", ["a", "0", "portal", "so-y-te.hanoi_2", "a" * 63])
def test_keys(key):
    """A site's key is 1 to 63 lower-case letters, digits, dots, dashes and underscores."""
    assert check_key(key) == key


@pytest.mark.parametrize(
    "key", ["", "A", "-a", ".a", "_a", "a b", "a\n", "a/b", "a:b", "a{b}", "á", "a" * 64, "\0", "\ud800"]
)
def test_what_is_no_key(key):
    """What could be read as something else in a URL or a key in Redis is no site's key."""
    with pytest.raises(SiteError):
        check_key(key)


def test_settings_cannot_be_changed():
    """Settings are frozen: a change makes new ones, so a batch under way keeps the ones it began with."""
    settings = SiteSettings()
    with pytest.raises(AttributeError):
        settings.page_cap = 1  # type: ignore[misc]
    assert hash(settings) == hash(SiteSettings())


@given(timeout=st.integers(60, 86_399), window=st.integers(10, 3600))
def test_calendar_carries_as_long_as_a_visit_or_a_presence_may(timeout, window):
    """Visitors are looked up under the day before as long as one of its visits may go on or be online."""
    span_of = calendar_of(SiteSettings(visit_timeout_seconds=timeout, online_window_seconds=window))
    midnight = ms("2026-11-24T00:00+07:00")
    carried_until = midnight + max(timeout, window) * 1000
    assert span_of(midnight).carries
    assert span_of(carried_until - 1).carries
    assert not span_of(carried_until).carries


def test_site_of_a_row():
    """A site's row in Postgres, with lists where a site has tuples, makes the site."""
    settings = SiteSettings(
        name="Cổng", hosts=("portal.example",), time_zone="Asia/Tehran", query_allow=("id",)
    )
    row = asdict(settings) | {"hosts": ["portal.example"], "query_allow": ["id"]}
    site = Site.of(row | {"id": 7, "key": "portal", "enabled": False, "created_at": None, "secret": "s"})
    assert (site.id, site.key, site.enabled, site.settings) == (7, "portal", False, settings)
    assert site.span_of(ms("2026-11-24T00:00+03:30")).hour == 0
