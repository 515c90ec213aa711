"""Which beacons become hits."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counter.hits import admission
from counter.hits.admission import Sender, Verdict, comes_from, judge
from counter.hits.signing import sign
from counter.hits.visitors import network_of, parse_address
from tests.unit.making import any_text, site_with

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0"
BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
NOW = 1_790_000_000
ADDRESS = parse_address("203.0.113.9")
HOSTS = ("portal.example", "*.city.example", "test.example:8080", "*.test.example:8080")


@pytest.mark.parametrize(
    "origin",
    [
        "https://portal.example",
        "http://portal.example",
        "https://portal.example:8443",
        "https://PORTAL.example",
        "https://www.city.example",
        "https://a.b.city.example:444",
        "http://test.example:8080",
        "http://a.test.example:8080",
    ],
)
def test_own_hosts(origin):
    """A page of a listed host counts, on any port unless one is listed, and below a wildcard at any depth."""
    assert comes_from(Sender(ADDRESS, origin=origin), HOSTS)
    assert comes_from(Sender(ADDRESS, referer=f"{origin}/tin-tuc?id=1#x"), HOSTS)


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "null",
        "portal.example",
        "https://evilportal.example",
        "https://portal.example.evil",
        "https://sub.portal.example",
        "https://city.example",
        "https://evilcity.example",
        "https://www.city.example.evil",
        "https://portal.example@evil.example",
        "https://evil.example/portal.example",
        "https://evil.example?https://portal.example",
        "https://evil.example#.city.example",
        "https://evil.example:80.city.example",
        "http://test.example",
        "http://test.example:8081",
        "http://a.test.example:80801",
        "http://a.test.example",
        "https://[portal.example]",
        "https://[::1",
        "https://портал.example",
        "file:///portal.example",
        "javascript:portal.example",
    ],
)
def test_foreign_hosts(origin):
    """A page of any other host does not count, however its name is made to look."""
    assert not comes_from(Sender(ADDRESS, origin=origin), HOSTS)
    assert not comes_from(Sender(ADDRESS, referer=origin), HOSTS)


def test_origin_is_asked_before_the_referer():
    """The Origin decides; where it is absent or `null` the Referer does, and with neither nothing counts."""
    own, foreign = "https://portal.example/a", "https://evil.example/a"
    assert comes_from(Sender(ADDRESS, origin="https://portal.example", referer=foreign), HOSTS)
    assert not comes_from(Sender(ADDRESS, origin="https://evil.example", referer=own), HOSTS)
    assert comes_from(Sender(ADDRESS, origin="null", referer=own), HOSTS)
    assert comes_from(Sender(ADDRESS, origin="", referer=own), HOSTS)
    assert not comes_from(Sender(ADDRESS, origin="null", referer=foreign), HOSTS)
    assert not comes_from(Sender(ADDRESS), HOSTS)


@given(origin=any_text(60), referer=any_text(60))
def test_without_hosts_every_page_counts(origin, referer):
    """A site that lists no host counts every page, and one that does never fails on an odd header."""
    sender = Sender(ADDRESS, origin=origin, referer=referer)
    assert comes_from(sender, ())
    assert comes_from(sender, HOSTS) in {True, False}


@given(label=st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True))
def test_suffix_tricks(label):
    """A name that only ends or begins like a listed host is a foreign one."""
    for host in (f"{label}portal.example", f"portal.example.{label}", f"{label}city.example"):
        assert not comes_from(Sender(ADDRESS, origin=f"https://{host}"), HOSTS)
    assert comes_from(Sender(ADDRESS, origin=f"https://{label}.city.example"), HOSTS)


@pytest.mark.parametrize(
    "purpose", ["prefetch", "prefetch;prerender", "prerender", " preview ", "prefetch  ", " prefetch"]
)
def test_page_that_nobody_sees(purpose):
    """A page that a browser fetches ahead of its visitor does not count."""
    sender = Sender(ADDRESS, agent=AGENT, purpose=purpose)
    assert judge(site_with(), sender, NOW) is Verdict.PREFETCH


def test_verdicts_in_order():
    """The first reason that applies is the verdict, from the cheapest to refute to the last."""
    site = replace(site_with(hosts=("portal.example",), respect_gpc=True, signed=True), secret="secret")
    sender = {
        "address": None,
        "agent": BOT,
        "origin": "https://evil.example",
        "purpose": "prefetch",
        "privacy": "1",
    }
    verdicts = []
    for better in (
        {},
        {"purpose": ""},
        {"origin": "https://portal.example"},
        {"privacy": ""},
        {"agent": AGENT},
        {"address": ADDRESS},
        {"token": sign("secret", site.key, NOW + 60, network_of(ADDRESS))},
    ):
        sender |= better
        verdicts.append(judge(site, Sender(**sender), NOW))
    assert verdicts == [
        Verdict.PREFETCH,
        Verdict.FOREIGN_HOST,
        Verdict.OPTED_OUT,
        Verdict.BOT,
        Verdict.NO_ADDRESS,
        Verdict.UNSIGNED,
        Verdict.VIEW,
    ]


def test_privacy_control_is_respected_where_the_site_says_so():
    """A browser that sends Global Privacy Control counts, unless the site leaves it out."""
    sender = Sender(ADDRESS, agent=AGENT, privacy="1")
    assert judge(site_with(), sender, NOW) is Verdict.VIEW
    assert judge(site_with(respect_gpc=True), sender, NOW) is Verdict.OPTED_OUT


@pytest.mark.parametrize("privacy", ["0", "true", ""])
def test_privacy_control_says_1_or_nothing(privacy):
    """Any other value is none: the specification knows no other."""
    site = site_with(respect_gpc=True)
    assert judge(site, Sender(ADDRESS, agent=AGENT, privacy=privacy), NOW) is Verdict.VIEW


def test_long_addresses_are_not_remembered():
    """Whoever makes up long Origins finds no memory to fill, and is judged all the same."""
    long = "https://" + "x" * 300 + ".example"
    before = admission._remember.cache_info().currsize
    assert not comes_from(Sender(ADDRESS, origin=long), HOSTS)
    assert comes_from(Sender(ADDRESS, origin="https://portal.example/" + "x" * 300), HOSTS)
    assert admission._remember.cache_info().currsize == before


def test_no_agent_is_a_bot():
    """A beacon without a User-Agent is a bot's."""
    assert judge(site_with(), Sender(ADDRESS), NOW) is Verdict.BOT
