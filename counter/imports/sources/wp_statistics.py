"""WP-Statistics for WordPress. Pure.

The tables are those of `includes/class-wp-statistics-install.php`, versions 9 to 14: `statistics_visit` has
the views of each day, `statistics_visitor` a row for each visitor of a day, `statistics_pages` the views of
each page and day, and `statistics_historical` what was deleted of old. It knows no visits, so visitors
stand for them.
"""

from collections.abc import Iterable, Mapping
from typing import ClassVar

from counter.imports.records import Balance, Day, Page, Record, Row
from counter.imports.sources.tables import Kind, day_of, number_of, text_of


class WpStatistics:
    """Reads `statistics_visit`, `…_visitor`, `…_pages` and `…_historical`."""

    title: ClassVar[str] = "WP-Statistics"
    kinds: ClassVar[Mapping[str, Kind]] = {
        "views": Kind(r"(?P<prefix>.*?)statistics_visit", frozenset(("last_counter", "visit"))),
        "visitors": Kind(r"(?P<prefix>.*?)statistics_visitor", frozenset(("last_counter", "agent", "ip"))),
        "pages": Kind(r"(?P<prefix>.*?)statistics_pages", frozenset(("uri", "date", "count"))),
        "past": Kind(r"(?P<prefix>.*?)statistics_historical", frozenset(("category", "uri", "value"))),
    }

    def take(self, kind: str, row: Row) -> Iterable[Record]:
        """Read one row."""
        if kind == "views":
            yield Day(day_of(row, "last_counter"), views=number_of(row, "visit"))
        elif kind == "visitors":
            yield Day(day_of(row, "last_counter"), visitors=1)
        elif kind == "pages":
            yield Page("/" + text_of(row, "uri").lstrip("/"), number_of(row, "count"), day_of(row, "date"))
        elif (category := row.values["category"]) == "visits":
            yield Balance(views=number_of(row, "value"))
        elif category == "visitors":
            yield Balance(visitors=number_of(row, "value"))
        elif category == "uri":
            yield Page("/" + text_of(row, "uri").lstrip("/"), number_of(row, "value"))

    def finish(self) -> Iterable[Record]:
        """Everything is told."""
        return ()
