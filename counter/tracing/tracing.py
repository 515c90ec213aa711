"""What a part of the program can say of its work while somebody follows it.

No attribute holds anything of a visitor: no address, no agent, no path, no query, nobody's identifier, and no
words of an error, which may quote them.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from enum import Enum
from typing import Any, Final

from prometheus_client import Counter

Attributes = Mapping[str, str | int | bool]
NONE: Final[Attributes] = {}
Place = Any
"""Where in which trace a span stands; only who made it knows more of it."""


class Role(Enum):
    """What a span is to others: work of our own, the answer to a request, or a call to a store."""

    OWN = "own"
    ANSWER = "answer"
    CALL = "call"


class Span(ABC):
    """A stretch of work that is followed."""

    @abstractmethod
    def note(self, attributes: Attributes) -> None:
        """Say more of it."""

    @abstractmethod
    def fail(self, kind: str) -> None:
        """Say that it failed; `kind` is one of few words, never the words of an error."""


class Unfollowed(Span):
    """A stretch of work that nobody follows."""

    def note(self, attributes: Attributes) -> None:
        """Say it to nobody."""

    def fail(self, kind: str) -> None:
        """Say it to nobody."""


class Tracing(ABC):
    """Follows the work of this process."""

    @abstractmethod
    def span(
        self, name: str, attributes: Attributes = NONE, role: Role = Role.OWN
    ) -> AbstractContextManager[Span]:
        """Follow the block as a part of what is under way here; of an error its type is told."""

    @abstractmethod
    def apart(
        self,
        name: str,
        attributes: Attributes = NONE,
        role: Role = Role.OWN,
        *,
        parent: Place | None = None,
        links: Iterable[Place] = (),
    ) -> AbstractContextManager[Span]:
        """Follow the block as a part of `parent`, or as a trace of its own, whatever is under way here."""

    @abstractmethod
    def here(self) -> Place | None:
        """Return where we are, None if nobody follows."""

    @abstractmethod
    def trace_id(self) -> str:
        """Return the trace that we are in (32 hexadecimal digits), empty if nobody follows."""

    @abstractmethod
    def note(self, attributes: Attributes) -> None:
        """Say more of what is under way here."""

    @abstractmethod
    def event(self, name: str) -> None:
        """Mark a moment of what is under way here."""

    @abstractmethod
    def place_of(self, traceparent: str) -> Place | None:
        """Return the place that a header of W3C Trace Context names, None if it names none."""

    @abstractmethod
    def count_into(self, sent: Counter, lost: Counter) -> None:
        """Count the spans that the collector took, and those that it did not."""

    @abstractmethod
    def close(self) -> None:
        """Send what is left, and wait a few seconds for it at most."""
