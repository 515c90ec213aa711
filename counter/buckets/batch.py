"""Hits on their way into one lane together, packed for `record.lua`. Pure."""

from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Final

import msgspec

from counter.buckets.keys import BucketName
from counter.sites.calendar import Span
from counter.sites.model import Site

NO_VISITOR: Final = b"\0" * 8


class Kind(StrEnum):
    """What a hit means for the counts."""

    VIEW = "view"
    BOT = "bot"
    HEARTBEAT = "heartbeat"


class Hit(msgspec.Struct, frozen=True, gc=False):
    """One beacon, admitted.

    Attributes:
        at_ms: when it was received.
        path: the normalised page; empty unless a view.
        visitor: the visitor's id under the salt of the site's local day.
        visitor_before: the id under the salt of the day before, if `span_of(at_ms)` carries.
    """

    site: Site
    at_ms: int
    kind: Kind
    path: str = ""
    visitor: bytes = NO_VISITOR
    visitor_before: bytes = NO_VISITOR


@dataclass(slots=True)
class _Group:
    """The hits of one site in one span."""

    site: Site
    span: Span
    bots: int = 0
    view_times: list[int] = field(default_factory=list)
    view_ids: list[bytes] = field(default_factory=list)
    pages: dict[str, int] = field(default_factory=dict)
    heartbeat_times: list[int] = field(default_factory=list)
    heartbeat_ids: list[bytes] = field(default_factory=list)

    def add(self, hit: Hit) -> None:
        ids = (hit.visitor, hit.visitor_before) if self.span.carries else (hit.visitor,)
        if hit.kind is Kind.VIEW:
            self.view_times.append(hit.at_ms)
            self.view_ids += ids
            self.pages[hit.path] = self.pages.get(hit.path, 0) + 1
        elif hit.kind is Kind.HEARTBEAT:
            self.heartbeat_times.append(hit.at_ms)
            self.heartbeat_ids += ids
        else:
            self.bots += 1

    def values(self, generation: str, *, expires: bool) -> tuple[object, ...]:
        """Return what `record.lua` takes but for the ids: a head of fixed length, then what it announces."""
        settings = self.site.settings
        return (
            self.site.key,
            str(BucketName(self.site.key, self.span.day, generation)),
            f"{self.span.hour:02d}",
            self.span.carries,
            settings.visit_timeout_seconds * 1000,
            settings.online_window_seconds * 1000,
            expires,
            settings.page_cap,
            self.bots,
            len(self.view_times),
            len(self.pages),
            len(self.heartbeat_times),
            *self.view_times,
            *self.pages,
            *self.pages.values(),
            *self.heartbeat_times,
        )


class Batch:
    """Hits of one lane, in the order in which they came."""

    def __init__(self) -> None:
        self.hits: list[Hit] = []

    def __len__(self) -> int:
        return len(self.hits)

    def add(self, hit: Hit) -> None:
        """Take one more hit."""
        self.hits.append(hit)

    def days(self) -> set[tuple[int, date]]:
        """Return each site's id with each of its local days that has a hit."""
        return {(hit.site.id, hit.site.span_of(hit.at_ms).day) for hit in self.hits}

    def without(self, days: Container[tuple[int, date]]) -> "Batch":
        """Return a batch of those hits that are not of some days."""
        rest = Batch()
        rest.hits = [hit for hit in self.hits if (hit.site.id, hit.site.span_of(hit.at_ms).day) not in days]
        return rest

    def pack(self, generation: str, *, expires: bool) -> tuple[bytes, bytes]:
        """Return what `record.lua` takes: the groups, in one list, and their visitor ids.

        Args:
            generation: the lane's current one; the names of the buckets carry it.
            expires: whether the visitors seen are forgotten when they are too old by the server's clock
                (an import, whose hits are old, ends itself and forgets them then).
        """
        values: list[object] = []
        ids: list[bytes] = []
        for group in _grouped(self.hits):
            values += group.values(generation, expires=expires)
            ids += group.view_ids
            ids += group.heartbeat_ids
        return msgspec.msgpack.encode(values), b"".join(ids)


def _grouped(hits: Iterable[Hit]) -> Iterable[_Group]:
    # By the very site object: a change of its settings makes another one, whose spans may differ.
    groups: dict[tuple[int, int], _Group] = {}
    for hit in hits:
        span = hit.site.span_of(hit.at_ms)
        group = groups.get((id(hit.site), span.start_ms))
        if group is None:
            group = groups[id(hit.site), span.start_ms] = _Group(hit.site, span)
        group.add(hit)
    return groups.values()
