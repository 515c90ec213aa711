"""Who may be the same visitor, without knowing who it is: the keyed hash that stands for one. Pure."""

from hashlib import blake2b
from socket import AF_INET, AF_INET6, inet_pton
from typing import Final

ID_BYTES: Final = 8
MAX_AGENT_CHARACTERS: Final = 512
MAX_ADDRESS_CHARACTERS: Final = 64
"""Room for the longest IPv6 address and the name of a zone."""
IPV4_BYTES: Final = 4
_IPV6_NETWORK_BYTES: Final = 8
_MAPPED: Final = bytes(10) + b"\xff\xff"

Address = bytes
"""An IP address as it goes over the wire: 4 bytes, or 16."""


def visitor_id(salt: bytes, site_key: str, network: bytes, agent: str) -> bytes:
    """Return the 8 bytes that stand for a visitor of one site while `salt` lives.

    Args:
        salt: secret of the site-local day; once it is gone, nobody can tell who it was.
        site_key: keeps visitors of different sites apart.
        network: `network_of` the client's address.
        agent: the browser's User-Agent, cut at 512 characters.
    """
    told = b"%b\0%b\0%b" % (site_key.encode(), network, agent.encode("utf-8", "replace"))
    return blake2b(told, digest_size=ID_BYTES, key=salt).digest()


def parse_address(text: str) -> Address | None:
    """Return the address in `text`, an IPv4-mapped IPv6 one as IPv4; None if there is none.

    No address is remembered; looking one up would take half as long as reading it does.
    """
    if len(text) > MAX_ADDRESS_CHARACTERS:
        return None
    if "%" in text:
        text = text.partition("%")[0]
    try:
        if ":" not in text:
            return inet_pton(AF_INET, text)
        address = inet_pton(AF_INET6, text)
    except (OSError, ValueError):
        return None
    return address.removeprefix(_MAPPED)


def network_of(address: Address) -> bytes:
    """Return what of an address tells households apart: IPv4 whole, of IPv6 its /64."""
    return address if len(address) == IPV4_BYTES else address[:_IPV6_NETWORK_BYTES]
