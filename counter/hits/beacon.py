"""What a beacon says: the body of a hit or a heartbeat, checked. Pure."""

from functools import lru_cache
from typing import Final, TypeVar

import msgspec

from counter.errors import InvalidInputError
from counter.sites.model import KEY_PATTERN

MAX_BODY_BYTES: Final = 4096
MAX_KEY_CHARACTERS: Final = 63


class HitBeacon(msgspec.Struct, frozen=True, gc=False):
    """A page was shown.

    Attributes:
        site: key of the site.
        path: the page's path as the browser spells it, or its whole URL.
        token: for a site that asks for one.
    """

    site: str
    path: str
    token: str = ""


class HeartbeatBeacon(msgspec.Struct, frozen=True, gc=False):
    """A page is still shown to somebody.

    Attributes:
        site: key of the site.
        token: for a site that asks for one.
    """

    site: str
    token: str = ""


Beacon = TypeVar("Beacon", HitBeacon, HeartbeatBeacon)

_hit_decoder: Final = msgspec.json.Decoder(HitBeacon)
_heartbeat_decoder: Final = msgspec.json.Decoder(HeartbeatBeacon)


def parse_hit(body: bytes) -> HitBeacon:
    """Read a hit.

    Raises:
        InvalidInputError: it is not JSON with a `site` and a `path`.
    """
    return _parse(_hit_decoder, body, 'a hit is JSON such as {"site": "demo", "path": "/"}')


def parse_heartbeat(body: bytes) -> HeartbeatBeacon:
    """Read a heartbeat.

    Raises:
        InvalidInputError: it is not JSON with a `site`.
    """
    return _parse(_heartbeat_decoder, body, 'a heartbeat is JSON such as {"site": "demo"}')


def check_site_key(key: str) -> str:
    """Return `key` if it may be a site's.

    Raises:
        InvalidInputError: no site has a key like this.
    """
    if len(key) > MAX_KEY_CHARACTERS or not _is_key(key):
        raise InvalidInputError("no site has a key like this")
    return key


@lru_cache(maxsize=4096)
def _is_key(key: str) -> bool:
    return KEY_PATTERN.fullmatch(key) is not None


def _parse(decoder: msgspec.json.Decoder[Beacon], body: bytes, form: str) -> Beacon:
    try:
        beacon = decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInputError(form) from error
    check_site_key(beacon.site)
    return beacon
