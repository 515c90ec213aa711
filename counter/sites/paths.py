"""Which page a URL's path means: one spelling for each page. Pure."""

import re
import unicodedata
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_to_bytes, urlsplit

from counter.errors import InvalidInputError

OTHER: Final = "(other)"
"""Stands for the pages above a site's cap. No path can be spelt so: every path starts with a slash."""

MAX_RAW_CHARACTERS: Final = 2048
MAX_PATH_BYTES: Final = 1024
MAX_REMEMBERED_CHARACTERS: Final = 256
"""Longer paths are rare, unless somebody makes them up to fill our memory."""

_FORBIDDEN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_INDEX_FILES: Final = frozenset({"index.html", "index.htm"})
_ESCAPES: Final = re.compile(r"(?:%[0-9A-Fa-f]{2})+|%")
_KEPT_ESCAPED: Final = re.compile(r"[/?#%\\&=+\x00-\x1f\x7f-\x9f]")
_HELD: Final = re.compile(r"[\udc00-\udcff]")
"""Stand for bytes that stay escaped, so that no character beside them can be composed with their digits."""


def normalise(raw: str, query_allow: tuple[str, ...] = ()) -> str:
    """Return the page's path for the path (or whole URL) that a browser reported.

    The query and the fragment are dropped, but for the parameters the site allows, in the site's order;
    escapes that need none are decoded; `.`, `..`, doubled and trailing slashes and `index.html` are folded;
    Unicode is NFC. The result is a fixed point of this function.

    Raises:
        InvalidInputError: no path, too long, or with control characters or lone surrogates.
    """
    return (
        _remember(raw, query_allow) if len(raw) <= MAX_REMEMBERED_CHARACTERS else _normalise(raw, query_allow)
    )


def _normalise(raw: str, query_allow: tuple[str, ...]) -> str:
    if len(raw) > MAX_RAW_CHARACTERS:
        raise InvalidInputError("the path is too long")
    if _FORBIDDEN.search(raw):
        raise InvalidInputError("the path has characters that no URL has")
    path, query = _split(raw)
    spelt = "/" + "/".join(_fold(_decode(path).split("/"))) + _keep(query, query_allow)
    if len(spelt.encode()) > MAX_PATH_BYTES:
        raise InvalidInputError("the path is too long")
    return spelt


_remember: Final = lru_cache(maxsize=8192)(_normalise)


def _split(raw: str) -> tuple[str, str]:
    if not raw.startswith("/"):
        raw = _path_of_url(raw)
    path, _, query = raw.partition("#")[0].partition("?")
    return path, query


def _path_of_url(raw: str) -> str:
    try:
        url = urlsplit(raw)
    except ValueError as error:
        raise InvalidInputError("the path is no URL") from error
    if url.scheme not in {"http", "https"}:
        raise InvalidInputError("the path starts with a slash")
    return f"{url.path or '/'}?{url.query}"


def _decode(text: str) -> str:
    """Decode what a URL may show as it is; what separates, controls or is no UTF-8 stays escaped."""
    decoded = unicodedata.normalize("NFC", _ESCAPES.sub(_decode_run, text))
    return _HELD.sub(lambda held: f"%{ord(held[0]) & 0xFF:02X}", decoded)


def _decode_run(match: re.Match[str]) -> str:
    """Decode escapes that follow each other, or a `%` that begins none; what stays escaped is held."""
    decoded = unquote_to_bytes(match[0]).decode("utf-8", "surrogateescape")
    return _KEPT_ESCAPED.sub(lambda kept: "".join(chr(0xDC00 | byte) for byte in kept[0].encode()), decoded)


def _fold(segments: list[str]) -> list[str]:
    folded: list[str] = []
    for segment in segments:
        if segment == "..":
            del folded[-1:]
        elif segment not in {"", "."}:
            folded.append(segment)
    while folded and folded[-1] in _INDEX_FILES:
        folded.pop()
    return folded


def _keep(query: str, query_allow: tuple[str, ...]) -> str:
    if not query_allow or not query:
        return ""
    given = dict(reversed([part.partition("=")[::2] for part in query.split("&")]))
    kept = [f"{name}={_decode(given[name])}" for name in query_allow if given.get(name)]
    return "?" + "&".join(kept) if kept else ""
