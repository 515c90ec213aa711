"""What other services of statistics export as CSV: GoatCounter, Umami, Plausible, Matomo. Pure.

- GoatCounter: `export.go` of arp242/goatcounter; versions 1 and 2 of its CSV, times in UTC.
- Umami: `website_event` as its export and its MySQL schema have it
  (`src/app/api/websites/[websiteId]/export`).
- Plausible: `imported_visitors` and `imported_pages` of its export (`lib/plausible/exports.ex`), and
  `pages.csv` of the dashboard; the other files of the export are passed over.
- Matomo: `VisitsSummary.get` or `API.get`, and `Actions.getPageUrls` with `flat=1`, as `period=day` and CSV
  (`core/DataTable/Renderer/Csv.php`).
"""

from collections.abc import Iterable, Mapping
from typing import ClassVar

from counter.errors import ImportFileError, InvalidInputError
from counter.imports.records import Balance, Day, Page, Record, Row
from counter.imports.sources.events import Events
from counter.imports.sources.tables import Kind, day_of, instant_of, known_number, number_of, text_of
from counter.sites.model import Site

_NO_TABLE = "(?P<prefix>)(?!)"
"""These come as CSV alone."""
_PAGEVIEW = "1"


class GoatCounter:
    """Reads the export. A visit is a session; events are left out, bots are apart."""

    title: ClassVar[str] = "GoatCounter's export"
    kinds: ClassVar[Mapping[str, Kind]] = {
        "1": Kind(_NO_TABLE, frozenset(("1Path", "Event", "Bot", "Session", "Date"))),
        "2": Kind(_NO_TABLE, frozenset(("2Path", "Event", "Bot", "Session", "Date"))),
    }

    def __init__(self, site: Site) -> None:
        self._events = Events(site)

    def take(self, kind: str, row: Row) -> Iterable[Record]:
        """Read one row."""
        at_ms = instant_of(row, "Date")
        if row.values["Event"] in {"true", "1"}:
            return
        if number_of(row, "Bot"):
            yield from self._events.bot(at_ms)
            return
        session = row.values["Session"] or ""
        yield from self._events.view(at_ms, text_of(row, f"{kind}Path"), session, session)

    def finish(self) -> Iterable[Record]:
        """Tell visits and visitors."""
        return self._events.finish()


class Umami:
    """Reads `website_event`.

    Args:
        website: id of the website that counts, where there are several.
    """

    title: ClassVar[str] = "Umami"
    kinds: ClassVar[Mapping[str, Kind]] = {
        "events": Kind(
            "(?P<prefix>)website_event",
            frozenset(("website_id", "session_id", "visit_id", "url_path", "event_type", "created_at")),
        ),
    }

    def __init__(self, site: Site, website: str | None = None) -> None:
        self._events = Events(site)
        self._website = website

    def take(self, kind: str, row: Row) -> Iterable[Record]:  # noqa: ARG002 - there is one kind
        """Read one row."""
        website = text_of(row, "website_id")
        if self._website is None:
            self._website = website
        elif website != self._website:
            raise ImportFileError(
                f"there are several websites, say which one: --website {self._website} or --website {website}"
            )
        if row.values["event_type"] == _PAGEVIEW:
            visitor, visit = row.values["session_id"] or "", row.values["visit_id"] or ""
            yield from self._events.view(
                instant_of(row, "created_at"), text_of(row, "url_path"), visitor, visit
            )

    def finish(self) -> Iterable[Record]:
        """Tell visits and visitors."""
        return self._events.finish()


class ChosenUmami(Umami):
    """Reads one of several websites."""

    def take(self, kind: str, row: Row) -> Iterable[Record]:
        """Read one row, if it is of this website."""
        return super().take(kind, row) if row.values["website_id"] == self._website else ()


class Plausible:
    """Reads visitors and pages; its days are those of the zone that Plausible was set to."""

    title: ClassVar[str] = "Plausible's export"
    kinds: ClassVar[Mapping[str, Kind]] = {
        "pages": Kind(_NO_TABLE, frozenset(("date", "page", "pageviews"))),
        "days": Kind(_NO_TABLE, frozenset(("date", "visitors", "pageviews", "visits", "bounces"))),
        "top": Kind(_NO_TABLE, frozenset(("name", "visitors", "pageviews", "bounce_rate"))),
    }
    # Sources of traffic have the columns of days, and one that days have not.
    _OF_OTHERS: ClassVar[frozenset[str]] = frozenset(("source", "entry_page", "country", "device", "browser"))

    def take(self, kind: str, row: Row) -> Iterable[Record]:
        """Read one row."""
        if kind == "pages":
            yield Page(text_of(row, "page"), number_of(row, "pageviews"), day_of(row, "date"))
        elif kind == "top":
            yield Page(text_of(row, "name"), number_of(row, "pageviews"))
        elif not self._OF_OTHERS & row.values.keys() and "operating_system" not in row.values:
            views, visits, visitors = (number_of(row, name) for name in ("pageviews", "visits", "visitors"))
            yield Day(day_of(row, "date"), views, visits, visitors)

    def finish(self) -> Iterable[Record]:
        """Everything is told."""
        return ()


class Matomo:
    """Reads days and the views of pages."""

    title: ClassVar[str] = "Matomo's CSV"
    kinds: ClassVar[Mapping[str, Kind]] = {
        "pages": Kind(_NO_TABLE, frozenset(("label", "nb_hits"))),
        "days": Kind(_NO_TABLE, frozenset(("date", "nb_visits"))),
    }

    def take(self, kind: str, row: Row) -> Iterable[Record]:
        """Read one row."""
        if "," in (row.values.get("date") or ""):
            raise InvalidInputError("more than a day in one row; export it with period=day")
        if kind == "days":
            views = known_number(row, ("nb_pageviews", "nb_actions"))
            visitors = known_number(row, ("nb_uniq_visitors",))
            yield Day(day_of(row, "date"), views, known_number(row, ("nb_visits",)) or 0, visitors)
        elif row.values["label"]:
            url = next((url for name in ("metadata_url", "url") if (url := row.values.get(name))), None)
            day = day_of(row, "date") if "date" in row.values else None
            yield Page(url or "/" + text_of(row, "label").lstrip("/"), number_of(row, "nb_hits"), day)

    def finish(self) -> Iterable[Record]:
        """Everything is told."""
        return ()


class Generic:
    """Reads the CSV of docs/importing.md, which anybody can make.

    A row with a `path` tells views of a page, else it tells of the whole site; without a `date` it tells of a
    time that nobody knows.
    """

    title: ClassVar[str] = "such a CSV"
    kinds: ClassVar[Mapping[str, Kind]] = {
        "pages": Kind(_NO_TABLE, frozenset(("date", "path", "views"))),
        "paths": Kind(_NO_TABLE, frozenset(("path", "views"))),
        "days": Kind(_NO_TABLE, frozenset(("date",))),
    }

    def take(self, kind: str, row: Row) -> Iterable[Record]:
        """Read one row."""
        day = day_of(row, "date") if row.values.get("date") else None
        views, visits, visitors, bots = (
            known_number(row, (name,)) for name in ("views", "visits", "visitors", "bots")
        )
        if kind != "days" and (path := row.values["path"]):
            yield Page(path, number_of(row, "views"), day)
        elif views is visits is visitors is bots is None:
            raise InvalidInputError("there is no figure")
        elif day is None:
            yield Balance(views, visits, visitors)
        else:
            hour = known_number(row, ("hour",))
            if hour is not None and hour > 23:  # noqa: PLR2004 - hours
                raise InvalidInputError("hour is 0 to 23")
            yield Day(day, views, visits, visitors, bots or 0, hour)

    def finish(self) -> Iterable[Record]:
        """Everything is told."""
        return ()
