"""Joomla: the counters Vinaora Visitors Counter and VCNT. Pure.

Vinaora writes a row into `PREFIX_vvcounter_logs` for each stretch of time that is over, with its end
(`packages/plg_vvisit_counter/sql/install.mysql.noutf8.sql` of vinaora/vinaora-visitors-counter). VCNT has a
row in `PREFIX_vcnt` for each visit, and adds those it deletes to `PREFIX_vcnt_pc` (`helper.php` of
`mod_vcnt` 2.5).
"""

from collections.abc import Iterable, Mapping
from typing import ClassVar

from counter.imports.records import Balance, Day, Record, Row
from counter.imports.sources.tables import Kind, instant_of, number_of
from counter.sites.model import Site


class Joomla:
    """Reads `vvcounter_logs`, `vcnt` and `vcnt_pc`."""

    title: ClassVar[str] = "Vinaora or VCNT"
    kinds: ClassVar[Mapping[str, Kind]] = {
        "vinaora": Kind(
            r"(?P<prefix>.*?)_?vvcounter_logs", frozenset(("time", "visits", "guests", "members", "bots"))
        ),
        "vcnt": Kind(r"(?P<prefix>.*?)_?vcnt", frozenset(("tm", "ip"))),
        "deleted": Kind(r"(?P<prefix>.*?)_?vcnt_pc", frozenset(("cnt",))),
    }

    def __init__(self, site: Site) -> None:
        self._span_of = site.span_of

    def take(self, kind: str, row: Row) -> Iterable[Record]:
        """Read one row."""
        if kind == "deleted":
            yield Balance(visits=number_of(row, "cnt"))
        elif kind == "vcnt":
            span = self._span_of(instant_of(row, "tm"))
            yield Day(span.day, visits=1, hour=span.hour)
        else:
            # The time is the end of the stretch, so that of midnight belongs to the day before.
            span = self._span_of(max(0, instant_of(row, "time") - 1000))
            guests, members, bots = (number_of(row, name) for name in ("guests", "members", "bots"))
            # Rows that Vinaora took over from its first version do not tell who it was.
            people = guests + members if guests + members + bots else number_of(row, "visits")
            yield Day(span.day, visits=people, bots=bots, hour=span.hour)

    def finish(self) -> Iterable[Record]:
        """Everything is told."""
        return ()
