"""Whose address a request has, when proxies may stand in between. Pure."""

import re
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from typing import Final

from counter.config import Network
from counter.hits.visitors import Address, parse_address

MAX_HOPS: Final = 32
_FOR: Final = re.compile(r'(?:^|[;\s])for\s*=\s*("[^"]*"|[^;]*)', re.IGNORECASE)


def client_address(peer: str | None, hops: Iterable[str], trusted: Sequence[Network]) -> Address | None:
    """Return the address of the client: the nearest one that is not a trusted proxy's.

    Args:
        peer: the other end of the connection; None or empty for a Unix socket, trusted like loopback.
        hops: what the proxies say, the nearest last.
        trusted: networks of our own proxies. With none, nobody is believed.
    """
    address = parse_address(peer) if peer else None
    left = list(hops) if trusted else []
    unnamed = not peer
    while left and (unnamed or _is_trusted(address, trusted)):
        forwarded = parse_address(_without_port(left.pop()))
        if forwarded is None:
            break
        address, unnamed = forwarded, False
    return address


def forwarded_hops(header: str, values: Sequence[str]) -> list[str]:
    """Return the addresses that a forwarding header names, the nearest last, and no more than anybody needs.

    Args:
        header: its name; `Forwarded` is read as RFC 7239 has it, any other one as a list of addresses.
        values: of all headers of this name, in order.
    """
    elements = ",".join(values).rsplit(",", MAX_HOPS)[-MAX_HOPS:]
    if header.lower() != "forwarded":
        return [element.strip() for element in elements] if values else []
    return [_named(element) for element in elements if element.strip()]


def _named(element: str) -> str:
    """Return whom an element of a Forwarded header names; a proxy that hides it names nobody."""
    found = _FOR.search(element)
    return found[1].strip().strip('"') if found else "unknown"


def _is_trusted(address: Address | None, trusted: Sequence[Network]) -> bool:
    return address is not None and any(ip_address(address) in network for network in trusted)


def _without_port(text: str) -> str:
    """Return the address of `1.2.3.4:567`, `[::1]:567` or a bare address."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text
