"""The counting rules in plain Python, one event after another, to hold the Lua script against."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime
from hashlib import blake2b
from math import ceil
from zoneinfo import ZoneInfo

from counter.sites.model import SiteSettings


@dataclass(frozen=True)
class Event:
    """A person does something: `kind` is view, heartbeat or bot."""

    at_ms: int
    person: int
    kind: str
    page: str


@dataclass
class Day:
    """What a day must come to."""

    views: int = 0
    visits: int = 0
    bots: int = 0
    people: set[int] = field(default_factory=set)
    hour_views: Counter[int] = field(default_factory=Counter)
    hour_visits: Counter[int] = field(default_factory=Counter)
    pages: Counter[str] = field(default_factory=Counter)


class Model:
    """Applies the rules as DESIGN.md says them."""

    def __init__(self, settings: SiteSettings) -> None:
        self.settings = settings
        self.zone = ZoneInfo(settings.time_zone)
        self.days: dict[date, Day] = defaultdict(Day)
        self.last_view: dict[int, int] = {}
        self.last_sign: dict[int, int] = {}

    def local(self, at_ms: int) -> datetime:
        return datetime.fromtimestamp(at_ms // 1000, self.zone)

    def apply(self, event: Event) -> None:
        local = self.local(event.at_ms)
        if event.kind == "bot":
            self.days[local.date()].bots += 1
            return
        self.last_sign[event.person] = max(event.at_ms, self.last_sign.get(event.person, 0))
        if event.kind == "view":
            self._view(event, self.days[local.date()], local.hour)
        elif event.at_ms > self.last_view.get(event.person, event.at_ms):
            # After a heartbeat the tick of the last view is known.
            tick_ms = ceil(self.settings.visit_timeout_seconds * 1000 / 2045)
            self.last_view[event.person] -= self.last_view[event.person] % tick_ms

    def _view(self, event: Event, day: Day, hour: int) -> None:
        last = self.last_view.get(event.person)
        day.views += 1
        day.hour_views[hour] += 1
        day.people.add(event.person)
        if last is None or event.at_ms - last >= self.settings.visit_timeout_seconds * 1000:
            day.visits += 1
            day.hour_visits[hour] += 1
        self.last_view[event.person] = max(event.at_ms, last or 0)
        known = set(day.pages) - {"(other)"}
        page = event.page if event.page in known or len(known) < self.settings.page_cap else "(other)"
        day.pages[page] += 1

    def online(self, now_ms: int) -> int:
        window_ms = self.settings.online_window_seconds * 1000
        return sum(at > now_ms - window_ms for at in self.last_sign.values())


def person_id(person: int, day: date) -> bytes:
    """The id of a person under the salt of a day; here anyone can tell, as a test must."""
    return blake2b(f"{person} {day}".encode(), digest_size=8).digest()
