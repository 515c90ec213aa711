"""A request as its handlers see it, whichever way it takes (see express.py)."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from multidict import CIMultiDictProxy, MultiMapping
from yarl import URL

from counter.ready import Ready


class Asked(Protocol):
    """What there is to know of a request beside its body; `web.Request` is one."""

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        """As they came."""

    @property
    def remote(self) -> str | None:
        """The address of who is connected."""

    @property
    def raw_path(self) -> str:
        """Path and query, as they came."""


Reply = Callable[[Ready], None]
"""Takes the answer, at once or later, but once."""
ShortHandler = Callable[[Asked, str, bytes, Reply], bool]
"""Takes a request, the site in its address, its body, and who takes the answer.

Returns whether it answers. If not, or if it raises, it has done nothing, and the request goes the long way.
"""


class Short(NamedTuple):
    """A route that is worth a short way; its path has at most `{site}` in it."""

    method: str
    path: str
    handler: ShortHandler


def query_of(asked: Asked) -> MultiMapping[str]:
    """Return what the query of a request says."""
    return URL(asked.raw_path, encoded=True).query
