"""The history and the top pages as JSON and CSV. Pure."""

from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from counter.sites.model import Site
from counter.widget.periods import Period
from counter.widget.render import Answer, tag
from counter.widget.series import Point, Series, Top
from counter.widget.sheet import to_csv

HISTORY_COLUMNS: Final = (*Point.__struct_fields__, "stale")
TOP_COLUMNS: Final = ("path", "views", "stale")


def history_json(series: Series, site: Site) -> Answer:
    """Return the JSON of a history."""
    about = _meta(site, series.as_of_ms, stale=series.stale) | {"counting_since": series.since.isoformat()}
    said = {"unit": series.unit, **_ends(series.period), "points": series.points}
    return Answer(msgspec.json.encode(said | {"meta": about}), tag(said, about))


def history_csv(series: Series) -> Answer:
    """Return the CSV of a history."""
    rows = [(*msgspec.structs.astuple(point), series.stale) for point in series.points]
    body = to_csv(HISTORY_COLUMNS, rows)
    return Answer(body, tag(body))


def top_json(top: Top, site: Site, number: int) -> Answer:
    """Return the JSON of the most viewed pages."""
    about = _meta(site, top.as_of_ms, stale=top.stale)
    pages = [{"path": path, "views": views} for path, views in top.pages[:number]]
    said = {**_ends(top.period), "pages": pages}
    return Answer(msgspec.json.encode(said | {"meta": about}), tag(said, about))


def top_csv(top: Top, number: int) -> Answer:
    """Return the CSV of the most viewed pages."""
    body = to_csv(TOP_COLUMNS, [(path, views, top.stale) for path, views in top.pages[:number]])
    return Answer(body, tag(body))


def _ends(period: Period) -> dict[str, str]:
    return {"from": period.first.isoformat(), "to": period.last.isoformat()}


def _meta(site: Site, as_of_ms: int, *, stale: bool) -> dict[str, Any]:
    settings = site.settings
    at = datetime.fromtimestamp(as_of_ms / 1000, ZoneInfo(settings.time_zone))
    return {
        "time_zone": settings.time_zone,
        "week_start": settings.first_weekday,
        "as_of": at.isoformat(timespec="milliseconds"),
        "stale": stale,
    }
