"""Which beacons become hits: one small check after another, each with a reason. Pure."""

from collections.abc import Callable
from enum import StrEnum
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

import msgspec

from counter.hits.bots import is_bot
from counter.hits.signing import is_signed
from counter.hits.visitors import Address, network_of
from counter.sites.model import Site

MAX_REMEMBERED_CHARACTERS: Final = 256
"""An Origin is short; of longer addresses whoever makes them up could fill our memory."""


class Verdict(StrEnum):
    """What becomes of a beacon; the value is its name in the metrics."""

    VIEW = "view"
    BOT = "bot"
    PREFETCH = "prefetch"
    FOREIGN_HOST = "foreign_host"
    OPTED_OUT = "opted_out"
    UNSIGNED = "unsigned"
    NO_ADDRESS = "no_address"
    ADDRESS_RATE = "address_rate"
    NETWORK_RATE = "network_rate"
    SITE_RATE = "site_rate"
    NEW_VISITORS = "new_visitors"
    REPEATED = "repeated"


class Sender(msgspec.Struct, frozen=True, gc=False):
    """Who sent a beacon, as far as the request tells.

    Attributes:
        agent: the User-Agent, cut at 512 characters.
        purpose: Sec-Purpose, Purpose and X-Moz together, which browsers set when nobody looks yet.
        privacy: Sec-GPC, `1` if the browser's owner wants not to be followed.
        token: of a site that asks for one.
    """

    address: Address | None
    agent: str = ""
    origin: str = ""
    referer: str = ""
    purpose: str = ""
    privacy: str = ""
    token: str = ""


def judge(site: Site, sender: Sender, now_s: int) -> Verdict:
    """Decide what becomes of a beacon for a site that counts: the first check that objects says why.

    Args:
        site: that it is for.
        sender: who sent it.
        now_s: seconds since the epoch.
    """
    for check in CHECKS:
        objection = check(site, sender, now_s)
        if objection is not None:
            return objection
    return Verdict.VIEW


def too_early(_site: Site, sender: Sender, _now_s: int) -> Verdict | None:
    """Object to a page that a browser has loaded before anybody looks at it."""
    purpose = sender.purpose
    early = purpose and any(word in purpose for word in ("prefetch", "prerender", "preview"))
    return Verdict.PREFETCH if early else None


def from_elsewhere(site: Site, sender: Sender, _now_s: int) -> Verdict | None:
    """Object to pages of other hosts."""
    return None if comes_from(sender, site.settings.hosts) else Verdict.FOREIGN_HOST


def opted_out(site: Site, sender: Sender, _now_s: int) -> Verdict | None:
    """Object, on behalf of a person who wants not to be followed, where the site respects it."""
    return Verdict.OPTED_OUT if site.settings.respect_gpc and sender.privacy == "1" else None


def automated(_site: Site, sender: Sender, _now_s: int) -> Verdict | None:
    """Object to programs; their views are counted beside those of people."""
    return Verdict.BOT if is_bot(sender.agent) else None


def from_nowhere(_site: Site, sender: Sender, _now_s: int) -> Verdict | None:
    """Object to a sender without an address, who cannot be told from others."""
    return Verdict.NO_ADDRESS if sender.address is None else None


def unsigned(site: Site, sender: Sender, now_s: int) -> Verdict | None:
    """Object to a missing or wrong token, where the site asks for one."""
    if not site.settings.signed or sender.address is None:
        return None
    signed = is_signed(sender.token, site.secret, site.key, network_of(sender.address), now_s)
    return None if signed else Verdict.UNSIGNED


CHECKS: Final[tuple[Callable[[Site, Sender, int], Verdict | None], ...]] = (
    too_early,
    from_elsewhere,
    opted_out,
    automated,
    from_nowhere,
    unsigned,
)


def comes_from(sender: Sender, hosts: tuple[str, ...]) -> bool:
    """Tell whether a beacon comes from a page of one of the hosts; with none listed, any will do.

    The Origin says where it comes from; where a browser sends none, or `null`, the Referer does.
    """
    if not hosts:
        return True
    url = sender.origin if sender.origin not in {"", "null"} else sender.referer
    return _remember(url, hosts) if len(url) <= MAX_REMEMBERED_CHARACTERS else _is_of(url, hosts)


def _is_of(url: str, hosts: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    return any(_matches(spelt, pattern) for spelt in (host, f"{host}:{port}") for pattern in hosts)


_remember: Final = lru_cache(maxsize=4096)(_is_of)


def _matches(host: str, pattern: str) -> bool:
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern
