"""Whose address a request has, when proxies may stand in between. Pure."""

from collections.abc import Sequence

from counter.config import Network
from counter.hits.visitors import Address, parse_address


def client_address(peer: str | None, forwarded_for: str, trusted: Sequence[Network]) -> Address | None:
    """Return the address of the client: the nearest one that is not a trusted proxy's.

    Args:
        peer: the other end of the connection; None or empty for a Unix socket, trusted like loopback.
        forwarded_for: the values of all X-Forwarded-For headers, in order, joined by commas.
        trusted: networks of our own proxies. With none, nobody's headers are believed.
    """
    address = parse_address(peer) if peer else None
    hops = [hop.strip() for hop in forwarded_for.split(",")] if forwarded_for and trusted else []
    while hops and (not peer or _is_trusted(address, trusted)):
        forwarded = parse_address(_without_port(hops.pop()))
        if forwarded is None:
            break
        address, peer = forwarded, str(forwarded)
    return address


def _is_trusted(address: Address | None, trusted: Sequence[Network]) -> bool:
    return address is not None and any(address in network for network in trusted)


def _without_port(text: str) -> str:
    """Return the address of `1.2.3.4:567`, `[::1]:567` or a bare address."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text
