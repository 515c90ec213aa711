"""Which pages a list asks for: its paths, checked. Pure."""

from collections.abc import Sequence
from typing import Final

import msgspec

from counter.errors import InvalidInputError
from counter.sites.paths import normalise

MAX_PAGES: Final = 500


class Listing(msgspec.Struct, frozen=True):
    """A list of pages whose views are asked for.

    Attributes:
        paths: as the asking page spells them, or whole URLs.
    """

    paths: list[str]


_decoder: Final = msgspec.json.Decoder(Listing)


def parse_listing(body: bytes) -> list[str]:
    """Read the paths that a list asks for.

    Raises:
        InvalidInputError: it is not JSON with `paths`.
    """
    try:
        return _decoder.decode(body).paths
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInputError('a list is JSON such as {"paths": ["/a", "/b"]}') from error


def pages_of(paths: Sequence[str], query_allow: tuple[str, ...]) -> list[str | None]:
    """Return the page that each path means; None for what is no path, which spoils the others' answers not.

    Raises:
        InvalidInputError: there is none, or there are too many.
    """
    if not 0 < len(paths) <= MAX_PAGES:
        raise InvalidInputError(f"ask for 1 to {MAX_PAGES} pages, as in ?path=/a&path=/b")
    return [_page_of(path, query_allow) for path in paths]


def _page_of(path: str, query_allow: tuple[str, ...]) -> str | None:
    try:
        return normalise(path, query_allow)
    except InvalidInputError:
        return None
