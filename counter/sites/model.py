"""What is known of a site, and the rules its settings must keep. Pure."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Literal, get_args

from counter.errors import SiteError
from counter.sites.calendar import Span, calendar_for, is_time_zone

Metric = Literal["visits", "views", "visitors"]
METRICS: Final[tuple[Metric, ...]] = get_args(Metric)

KEY_PATTERN: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}", re.ASCII)
HOST_PATTERN: Final = re.compile(r"(\*\.)?[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(:\d{1,5})?", re.ASCII)
LANGUAGE_PATTERN: Final = re.compile(r"([a-z]{2})?", re.ASCII)
PARAMETER_PATTERN: Final = re.compile(r"[^&=#\s]{1,64}")
_LIMITS: Final = {
    "first_weekday": range(1, 8),
    "visit_timeout_seconds": range(60, 86_401),
    "online_window_seconds": range(10, 3601),
    "page_cap": range(1_000_001),
    "repeat_seconds": range(3601),
}


_KEPT: Final = {"hours_days": (35, 36_600), "page_months": (13, 1200), "day_months": (3, 1200)}
"""How long details are kept at least, and at most; 0 is for ever. What is shown of late is always kept."""


@dataclass(frozen=True, slots=True)
class SiteSettings:
    """What the webmaster chooses for a site.

    Attributes:
        name: shown to people.
        hosts: hosts whose pages may count here, `*.` for all below; empty lets every host count.
        time_zone: IANA name; days begin at its midnight.
        first_weekday: ISO number of the week's first day, 1 (Monday) to 7 (Sunday).
        visit_timeout_seconds: time without a view after which the next one is a new visit.
        online_window_seconds: how long a visitor counts as online after the last sign.
        page_cap: distinct pages kept a day; further ones are counted together as `(other)`.
        query_allow: query parameters that belong to a page's address.
        metric: what the widget shows when it is not asked for another.
        respect_gpc: a browser that sends Global Privacy Control is left out.
        signed: a hit must carry a token.
        repeat_seconds: a page shown again to a visitor counts only after so long; 0 counts each display.
        hours_days: days that the hours of a day are kept; 0 for ever.
        page_months: months that the views of each page on each day are kept; 0 for ever.
        day_months: months that the row of a day is kept; 0 for ever.
        public_stats: anybody may see the history, the top pages and the statistics page.
        language: of the embedded block, the badge and the statistics page where none is asked for.
    """

    name: str = ""
    hosts: tuple[str, ...] = ()
    time_zone: str = "Asia/Ho_Chi_Minh"
    first_weekday: int = 1
    visit_timeout_seconds: int = 1800
    online_window_seconds: int = 300
    page_cap: int = 10_000
    query_allow: tuple[str, ...] = ()
    metric: Metric = "visits"
    public_stats: bool = False
    respect_gpc: bool = False
    signed: bool = False
    repeat_seconds: int = 0
    language: str = ""
    hours_days: int = 90
    page_months: int = 25
    day_months: int = 0

    def __post_init__(self) -> None:
        for name, allowed in _LIMITS.items():
            if getattr(self, name) not in allowed:
                raise SiteError(f"{name} is {allowed.start} to {allowed.stop - 1}")
        for name, (least, most) in _KEPT.items():
            if getattr(self, name) and not least <= getattr(self, name) <= most:
                raise SiteError(f"{name} is {least} to {most}, or 0 to keep them for ever")
        if not is_time_zone(self.time_zone):
            raise SiteError(f"{self.time_zone!r} is no IANA time zone, such as Asia/Ho_Chi_Minh")
        if self.metric not in METRICS:
            raise SiteError(f"the metric is one of {', '.join(METRICS)}")
        if not all(map(HOST_PATTERN.fullmatch, self.hosts)):
            raise SiteError("a host looks like portal.example, *.portal.example or portal.example:8080")
        if not all(map(PARAMETER_PATTERN.fullmatch, self.query_allow)):
            raise SiteError("a query parameter has 1 to 64 characters, no space and none of &=#")
        if not LANGUAGE_PATTERN.fullmatch(self.language):
            raise SiteError("a language is a code of two letters, such as vi, or empty")


@dataclass(frozen=True, slots=True)
class Site:
    """A registered site, as the hot path needs it.

    Attributes:
        span_of: the site's calendar: instant in ms → span.
        secret: signs the site's tokens.
    """

    id: int
    key: str
    enabled: bool
    settings: SiteSettings
    span_of: Callable[[int], Span]
    secret: str = ""

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Site":
        """Build a site from its row in Postgres."""
        values = {field.name: row[field.name] for field in fields(SiteSettings)}
        values |= {"hosts": tuple(row["hosts"]), "query_allow": tuple(row["query_allow"])}
        settings = SiteSettings(**values)
        return cls(row["id"], row["key"], row["enabled"], settings, calendar_of(settings), row["secret"])


def calendar_of(settings: SiteSettings) -> Callable[[int], Span]:
    """Return the calendar of a site with these settings."""
    carry_seconds = max(settings.visit_timeout_seconds, settings.online_window_seconds)
    return calendar_for(settings.time_zone, carry_seconds * 1000)


def check_key(key: str) -> str:
    """Return `key` if a site may have it.

    Raises:
        SiteError: it is not 1 to 63 characters of a-z, 0-9, dot, dash and underscore.
    """
    if not KEY_PATTERN.fullmatch(key):
        raise SiteError("a site's key has 1 to 63 characters of a-z, 0-9, dot, dash and underscore")
    return key
