"""Short-lived tokens that a site may ask of each hit, and the key that lets a webmaster see reasons. Pure.

A token is `EXPIRES.SIGNATURE`: seconds since the epoch in hexadecimal, and the first 32 hexadecimal digits of
an HMAC-SHA256 with the site's secret. It is given to a network (`GET /v1/sites/SITE/token`), or by the portal
itself to whoever loads a page: then it signs `hit SITE EXPIRES` and a NUL.
"""

import hmac
from typing import Final

LIFE_SECONDS: Final = 7200
ANYBODY: Final = b""
MAX_LIFE_SECONDS: Final = 86_400
MAX_TOKEN_CHARACTERS: Final = 64
_SIGNATURE_DIGITS: Final = 32


def sign(secret: str, site: str, expires: int, network: bytes = ANYBODY) -> str:
    """Return a token for a site.

    Args:
        secret: of the site.
        site: its key.
        expires: seconds since the epoch.
        network: to which it is given; empty for anybody, as a portal signs its own pages.
    """
    return f"{expires:x}.{_signature(secret, f'hit {site} {expires:x}'.encode(), network)}"


def is_signed(token: str, secret: str, site: str, network: bytes, now: int) -> bool:
    """Tell whether a token is ours, for this site, for this network or anybody, and has not expired.

    One that would live for more than a day is refused: it must have been made by mistake.
    """
    try:
        expires = int(token[:MAX_TOKEN_CHARACTERS].partition(".")[0], 16)
    except ValueError:
        return False
    if not now < expires <= now + MAX_LIFE_SECONDS:
        return False
    return any(_same(token, sign(secret, site, expires, whom)) for whom in (network, ANYBODY))


def debug_key(secret: str, site: str) -> str:
    """Return the key that makes the service say, in `Counter-Reason`, what became of a hit."""
    return _signature(secret, f"debug {site}".encode(), ANYBODY)


def is_debug_key(key: str, secret: str, site: str) -> bool:
    """Tell whether this is the site's debug key."""
    return _same(key, debug_key(secret, site))


def _signature(secret: str, text: bytes, network: bytes) -> str:
    told = text + b"\0" + network
    return hmac.digest(secret.encode(), told, "sha256").hex()[:_SIGNATURE_DIGITS]


def _same(given: str, right: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), right.encode())
