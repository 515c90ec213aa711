"""Which beacons become hits: one small check after another, each with a reason. Pure."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from counter.hits.bots import is_bot
from counter.hits.visitors import Address
from counter.sites.model import Site


class Verdict(StrEnum):
    """What becomes of a beacon; the value is its name in the metrics."""

    VIEW = "view"
    BOT = "bot"
    FOREIGN_HOST = "foreign_host"
    PREFETCH = "prefetch"
    NO_ADDRESS = "no_address"


COUNTED: Final = frozenset({Verdict.VIEW, Verdict.BOT})


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sent a beacon, as far as the request tells.

    Attributes:
        agent: the User-Agent, cut at 512 characters.
        purpose: Sec-Purpose, Purpose and X-Moz together, which browsers set when nobody looks yet.
    """

    address: Address | None
    agent: str = ""
    origin: str = ""
    referer: str = ""
    purpose: str = ""


def judge(site: Site, sender: Sender) -> Verdict:
    """Decide what becomes of a beacon for a site that counts."""
    if "prefetch" in sender.purpose or "prerender" in sender.purpose or "preview" in sender.purpose:
        return Verdict.PREFETCH
    if not comes_from(sender, site.settings.hosts):
        return Verdict.FOREIGN_HOST
    if is_bot(sender.agent):
        return Verdict.BOT
    return Verdict.VIEW if sender.address is not None else Verdict.NO_ADDRESS


def comes_from(sender: Sender, hosts: tuple[str, ...]) -> bool:
    """Tell whether a beacon comes from a page of one of the hosts; with none listed, any will do.

    The Origin says where it comes from; where a browser sends none, or `null`, the Referer does.
    """
    if not hosts:
        return True
    url = sender.origin if sender.origin not in {"", "null"} else sender.referer
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    return any(_matches(spelt, pattern) for spelt in (host, f"{host}:{port}") for pattern in hosts)


def _matches(host: str, pattern: str) -> bool:
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern
