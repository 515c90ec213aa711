"""From a snapshot to the answers: which days a period has, and how the numbers describe themselves. Pure."""

from collections.abc import Mapping
from datetime import date, datetime
from hashlib import blake2b
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from counter.buckets.base import Counts
from counter.sites.calendar import period_starts
from counter.sites.model import Metric, Site
from counter.widget.snapshot import Snapshot

UNITS: Final[Mapping[Metric, str]] = {"visits": "lượt truy cập", "views": "lượt xem", "visitors": "khách"}
DEFINITIONS: Final[Mapping[Metric, str]] = {
    "visits": "a visitor's first view after at least {minutes} minutes without one, on the day it begins",
    "views": "pages shown, bots not counted",
    "visitors": "distinct visitors of a day; over several days the sum of daily visitors",
}


class Numbers(NamedTuple):
    """What the widget shows, of one metric."""

    online: int
    today: int
    yesterday: int
    week: int
    month: int
    total: int


class Answer(NamedTuple):
    """A body ready to be sent, and the tag that stays the same while the numbers do."""

    body: bytes
    etag: str


def numbers(snapshot: Snapshot, site: Site, metric: Metric) -> Numbers:
    """Sum up the calendar periods around the moment of the snapshot, in the site's time zone."""
    starts = period_starts(site.span_of(snapshot.as_of_ms).day, site.settings.first_weekday)

    def since(first: date) -> int:
        return sum(
            _of(counts, metric) for day, counts in snapshot.days.items() if first <= day <= starts.today
        )

    yesterday = snapshot.days.get(starts.yesterday, Counts())
    return Numbers(
        online=snapshot.online,
        today=since(starts.today),
        yesterday=_of(yesterday, metric),
        week=since(starts.week),
        month=since(starts.month),
        total=_of(snapshot.total, metric),
    )


def meta(snapshot: Snapshot, site: Site, metric: Metric) -> dict[str, Any]:
    """Describe the numbers: what is counted, in which zone, when, and how exactly."""
    settings = site.settings
    at = datetime.fromtimestamp(snapshot.as_of_ms / 1000, ZoneInfo(settings.time_zone))
    return {
        "metric": metric,
        "unit": UNITS[metric],
        "definition": DEFINITIONS[metric].format(minutes=settings.visit_timeout_seconds // 60),
        "time_zone": settings.time_zone,
        "week_start": settings.first_weekday,
        "online_window_seconds": settings.online_window_seconds,
        "as_of": at.isoformat(timespec="milliseconds"),
        "stale": snapshot.stale,
        "accuracy": "estimate" if metric == "visitors" else "exact",
    }


def widget_answer(snapshot: Snapshot, site: Site, metric: Metric) -> Answer:
    """Return the widget's JSON."""
    shown = numbers(snapshot, site, metric)._asdict()
    about = meta(snapshot, site, metric)
    return Answer(msgspec.json.encode(shown | {"meta": about}), tag(shown, about))


class HitAnswer:
    """The JSON that answers hits: the widget's numbers and the views of the page, of one reading.

    Args:
        snapshot: the numbers.
        site: whose.
        views: of each page; None where they are not known.
    """

    def __init__(self, snapshot: Snapshot, site: Site, views: Mapping[str, int | None]) -> None:
        metric = site.settings.metric
        self._shown: dict[str, Any] = dict(numbers(snapshot, site, metric)._asdict())
        self._meta = msgspec.Raw(msgspec.json.encode(meta(snapshot, site, metric)))
        self._views = views

    def of(self, page: str) -> bytes:
        """Return the answer to a hit of a page."""
        shown = {"page": {"path": page, "views": self._views[page]}, "meta": self._meta}
        return msgspec.json.encode(self._shown | shown)


def pages_answer(pages: list[tuple[str, int | None]]) -> Answer:
    """Return the JSON with the views of pages, in the order in which they were asked for; null if unknown."""
    body = msgspec.json.encode({"pages": [{"path": path, "views": views} for path, views in pages]})
    return Answer(body, tag(body))


def _of(counts: Counts, metric: Metric) -> int:
    value: int = getattr(counts, metric)
    return value


def tag(*parts: object) -> str:
    """Return the entity tag of what some parts say, but for the moment (`as_of`) at which they say it."""
    said = [
        {k: v for k, v in part.items() if k != "as_of"} if isinstance(part, dict) else part for part in parts
    ]
    return f'W/"{blake2b(msgspec.json.encode(said), digest_size=9).hexdigest()}"'
