"""Whose address a request has: proxies of ours are believed, everybody else is not."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from counter.hits.client import client_address, forwarded_hops
from counter.hits.visitors import parse_address
from tests.unit.making import any_text

TRUSTED = [ip_network("10.0.0.0/8"), ip_network("fd00::/8"), ip_network("127.0.0.1/32")]
peers = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)
headers = st.one_of(
    any_text(80),
    st.lists(
        st.one_of(peers, st.sampled_from(["", " ", "unknown", "[::1]:80", "1.2.3.4:5", "10.0.0.1"]))
    ).map(",".join),
)


def hops(header: str) -> list[str]:
    return forwarded_hops("X-Forwarded-For", [header] if header else [])


def is_ours(text: str) -> bool:
    address = parse_address(text)
    return any(ip_address(address) in network for network in TRUSTED)


@given(peer=peers, header=headers)
def test_without_trusted_proxies_the_peer_is_the_client(peer, header):
    """With no trusted proxy the client is the other end of the connection, whatever the headers say."""
    assert client_address(peer, hops(header), []) == parse_address(peer)


@given(peer=peers, header=headers)
def test_stranger_is_not_believed(peer, header):
    """A peer that is no proxy of ours cannot choose the address under which it counts."""
    assume(not is_ours(peer))
    assert client_address(peer, hops(header), TRUSTED) == parse_address(peer)


@given(
    spoofed=headers,
    client=peers,
    proxies=st.lists(
        st.sampled_from(["10.0.0.1", "10.9.8.7", "fd00::2", "[fd00::3]:443", "10.0.0.4:8080"]), max_size=4
    ),
)
def test_nearest_stranger_is_the_client(spoofed, client, proxies):
    """Behind any chain of our proxies the nearest stranger is the client, whatever its header said."""
    assume(not is_ours(client))
    header = ", ".join([spoofed, client, *proxies])
    assert client_address("127.0.0.1", hops(header), TRUSTED) == parse_address(client)


@given(peer=st.one_of(st.none(), peers, any_text(20)), header=headers)
def test_never_fails(peer, header):
    """Whatever peer and headers are, there is an address or none, and never an error."""
    found = client_address(peer, hops(header), TRUSTED)
    assert found is None or parse_address(str(ip_address(found))) == found


@pytest.mark.parametrize(
    ("peer", "header", "client"),
    [
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.1, 203.0.113.9, 10.0.0.2, fd00::1", "203.0.113.9"),
        ("10.0.0.1", "10.0.0.3,10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "203.0.113.9:51234", "203.0.113.9"),
        ("10.0.0.1", "[2001:db8::9]:51234", "2001:db8::9"),
        ("10.0.0.1", "[2001:db8::9]", "2001:db8::9"),
        ("10.0.0.1", "2001:db8::9%eth0", "2001:db8::9"),
        ("10.0.0.1", "::ffff:203.0.113.9", "203.0.113.9"),
        ("::ffff:10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "203.0.113.9, ::ffff:10.0.0.2", "203.0.113.9"),
        ("10.0.0.1", "203.0.113.9, unknown", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9, unknown, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "203.0.113.9,", "10.0.0.1"),
        ("203.0.113.7", "198.51.100.1", "203.0.113.7"),
        ("203.0.113.7", "10.0.0.1", "203.0.113.7"),
    ],
)
def test_walk_from_right_to_left(peer, header, client):
    """Hops are read from the nearest, ports and brackets aside, until one is no proxy of ours or is junk."""
    assert client_address(peer, hops(header), TRUSTED) == ip_address(client).packed


@pytest.mark.parametrize("peer", [None, ""])
def test_unix_socket(peer):
    """A peer on a Unix socket has no address: its nearest hop is believed if there are trusted proxies."""
    assert (
        client_address(peer, hops("198.51.100.1, 203.0.113.9"), TRUSTED) == ip_address("203.0.113.9").packed
    )
    assert client_address(peer, hops("203.0.113.9, 10.0.0.2"), TRUSTED) == ip_address("203.0.113.9").packed
    assert client_address(peer, hops("junk"), TRUSTED) is None
    assert client_address(peer, hops(""), TRUSTED) is None
    assert client_address(peer, hops("203.0.113.9"), []) is None


@pytest.mark.parametrize(
    ("values", "client"),
    [
        (["for=203.0.113.9"], "203.0.113.9"),
        (['for="203.0.113.9:51234";proto=https;by=10.0.0.2'], "203.0.113.9"),
        (['For="[2001:db8::9]:4711"'], "2001:db8::9"),
        (["for=198.51.100.1, for=203.0.113.9"], "203.0.113.9"),
        (["for=203.0.113.9", "for=10.0.0.2;proto=http"], "203.0.113.9"),
        (["proto=https;for=203.0.113.9"], "203.0.113.9"),
        (["for=203.0.113.9, for=unknown"], "10.0.0.1"),
        (["for=203.0.113.9, for=_hidden"], "10.0.0.1"),
        (["for=203.0.113.9, proto=https"], "10.0.0.1"),
        (["x-for=203.0.113.9"], "10.0.0.1"),
        ([""], "10.0.0.1"),
        ([], "10.0.0.1"),
    ],
)
def test_forwarded_header(values, client):
    """The Forwarded header of RFC 7239 is read from the right, too; a proxy that hides its client ends the walk."""
    assert (
        client_address("10.0.0.1", forwarded_hops("Forwarded", values), TRUSTED) == ip_address(client).packed
    )


@given(values=st.lists(any_text(60), max_size=4), header=st.sampled_from(["Forwarded", "X-Forwarded-For"]))
def test_hops_are_few_whatever_a_header_holds(values, header):
    """A header of thousands of commas costs no more than a short one."""
    many = [*values, "for=1.1.1.1," * 5000]
    assert len(forwarded_hops(header, many)) <= 32
    assert all("," not in hop for hop in forwarded_hops("X-Forwarded-For", many))
