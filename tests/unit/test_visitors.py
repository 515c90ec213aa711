"""Who may be the same visitor, and that nobody can tell who it is."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from counter.hits.visitors import ID_BYTES, network_of, parse_address, visitor_id
from tests.unit.making import any_text

salts = st.binary(min_size=16, max_size=64)
keys = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,62}", fullmatch=True)
networks = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(lambda one: network_of(one.packed))
agents = any_text(80)


@given(salt=salts, key=keys, network=networks, agent=agents)
def test_same_visitor_has_one_id(salt, key, network, agent):
    """A visitor has the same 8 bytes each time, however odd the agent, and no address is in them."""
    found = visitor_id(salt, key, network, agent)
    assert found == visitor_id(bytes(salt), str(key), bytes(network), str(agent))
    assert len(found) == ID_BYTES
    assert network not in found


@given(salt=salts, key=keys, other_key=keys, network=networks, agent=agents)
def test_sites_are_kept_apart(salt, key, other_key, network, agent):
    """A visitor of two sites is another one on each, so nobody can be followed from site to site."""
    assume(key != other_key)
    assert visitor_id(salt, key, network, agent) != visitor_id(salt, other_key, network, agent)


@given(salt=salts, other_salt=salts, key=keys, network=networks, agent=agents)
def test_days_are_kept_apart(salt, other_salt, key, network, agent):
    """Under the salt of another day a visitor is another one, so nobody can be followed from day to day."""
    assume(salt.ljust(64, b"\0") != other_salt.ljust(64, b"\0"))  # BLAKE2 fills a short key with zeros
    assert visitor_id(salt, key, network, agent) != visitor_id(other_salt, key, network, agent)


@given(salt=salts, key=keys, network=networks, other_network=networks)
def test_networks_and_agents_are_kept_apart(salt, key, network, other_network):
    """Two networks, and two browsers in one network, are two visitors."""
    assume(network != other_network)
    found = {
        visitor_id(salt, key, where, who) for where in (network, other_network) for who in ("a", "b", "")
    }
    assert len(found) == 6


@given(prefix=st.binary(min_size=8, max_size=8), host=st.binary(min_size=8, max_size=8), other=st.data())
def test_addresses_of_one_ipv6_network_are_together(prefix, host, other):
    """Privacy addresses of one household, a /64, are one visitor; the next /64 is another."""
    other_host = other.draw(st.binary(min_size=8, max_size=8))
    other_prefix = other.draw(st.binary(min_size=8, max_size=8).filter(lambda drawn: drawn != prefix))
    assert network_of(prefix + host) == network_of(prefix + other_host)
    assert network_of(prefix + host) != network_of(other_prefix + host)


@given(address=st.ip_addresses(v=4), other=st.ip_addresses(v=4))
def test_ipv4_addresses_are_whole(address, other):
    """Two IPv4 addresses are one visitor's only if they are equal."""
    assert (network_of(address.packed) == network_of(other.packed)) == (address == other)


@given(address=st.ip_addresses(v=4))
def test_mapped_ipv4_address_is_the_ipv4_address(address):
    """A visitor over IPv4 is the same one on a socket that speaks IPv6."""
    for spelt in (f"::ffff:{address}", f"::FFFF:{address}", f"::ffff:{address}%eth0", str(address)):
        assert parse_address(spelt) == address.packed


@given(address=st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_address_reads_back(address):
    """Every address is read as what it is, whatever its zone id."""
    plain = getattr(address, "ipv4_mapped", None) or address
    assert parse_address(str(address).partition("%")[0]) == plain.packed
    assert parse_address(address.exploded.partition("%")[0] + "%25eth0") == plain.packed


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("203.0.113.9", IPv4Address("203.0.113.9")),
        ("fe80::1%eth0", IPv6Address("fe80::1")),
        ("fe80::1%", IPv6Address("fe80::1")),
        ("2001:DB8::A", IPv6Address("2001:db8::a")),
    ],
)
def test_addresses(text, address):
    """Zone ids and capitals make no other address."""
    assert parse_address(text) == address.packed


JUNK = [
    "", " ", "unknown", "_hidden", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.4:80", "[::1]",
    "::1::", "%", "1.2.3.4/32", "0x7f.1", "٣.1.1.1", "1.2.3.4\0", " 1.2.3.4", "\ud800", "9" * 8000,
    "::" + "f" * 8000,
]  # fmt: skip


@pytest.mark.parametrize("text", JUNK)
def test_junk_is_no_address(text):
    """Junk in a header is no address and no error."""
    assert parse_address(text) is None


@given(text=any_text(50))
def test_parse_address_never_fails(text):
    """Whatever a header says, there is an address in it or none, and never an error."""
    found = parse_address(text)
    assert found is None or len(found) in {4, 16}
