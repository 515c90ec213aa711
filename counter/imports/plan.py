"""What an import is, and the names that follow from it. Pure."""

from dataclasses import dataclass
from datetime import date
from hashlib import blake2b
from typing import Final, Literal, NamedTuple, get_args

from counter.sites.model import Site

Requests = Literal["pages", "all"]
Bots = Literal["apart", "in", "skip"]
REQUESTS: Final[tuple[Requests, ...]] = get_args(Requests)
BOTS: Final[tuple[Bots, ...]] = get_args(Bots)

NAME_DIGITS: Final = 12


class Options(NamedTuple):
    """What of a log counts.

    Attributes:
        requests: only those that showed a page, or all.
        bots: counted apart, as everywhere; in all figures, like people; or not at all.
        format: of the lines, as `formats.py` spells it; `auto` for Apache's, nginx' and W3C.
        until: the last day of the site that counts.
    """

    requests: Requests = "pages"
    bots: Bots = "apart"
    format: str = "auto"
    until: date | None = None

    def __str__(self) -> str:
        told = f"requests={self.requests} bots={self.bots}"
        told += "" if self.format == "auto" else f" format={self.format}"
        return told + (f" until={self.until}" if self.until else "")


@dataclass(frozen=True, slots=True)
class Plan:
    """One file's way into one site.

    Attributes:
        digest: SHA-256 of the file's content, hexadecimal.
    """

    site: Site
    options: Options
    digest: str

    @property
    def generation(self) -> str:
        """The generation under which the rows of this file stand."""
        return f"import-{self.digest[:NAME_DIGITS]}"

    @property
    def salt(self) -> bytes:
        """The key of the visitor ids.

        It follows from the file, so that the same file always gives the same numbers. Whoever has it has the
        file, where the addresses stand anyway; no id is kept.
        """
        return blake2b(self.digest.encode(), digest_size=32, person=b"counter import").digest()
