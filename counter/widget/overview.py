"""All that the statistics page shows, as far as it can be read at the moment."""

from typing import Final
from zoneinfo import ZoneInfo

import structlog

from counter.errors import CounterError, NumbersUnavailableError
from counter.sites.calendar import DAY
from counter.sites.model import Site
from counter.widget.history import History, today_of
from counter.widget.periods import Period, Unit
from counter.widget.series import add_days
from counter.widget.snapshot import Snapshot
from counter.widget.snapshots import Snapshots
from counter.widget.story import (
    YEARS,
    Overview,
    Slot,
    Story,
    busiest_days,
    day_slots,
    first_before,
    hour_slots,
    period_of_slots,
)

TOP_PAGES: Final = 20

log = structlog.get_logger(__name__)


class Overviews:
    """Gathers what the page shows; a part that cannot be read leaves the others alone."""

    def __init__(self, snapshots: Snapshots, history: History) -> None:
        self._snapshots = snapshots
        self._history = history

    async def of(self, site: Site, unit: Unit) -> Overview:
        """Return what is known of a site at the moment."""
        try:
            snapshot = await self._snapshots.of(site)
        except NumbersUnavailableError:
            return Overview(None, None)
        try:
            return Overview(snapshot, await self._story(site, unit, snapshot))
        except CounterError as error:
            log.warning("the past cannot be read", site=site.key, reason=str(error))
            return Overview(snapshot, None)

    async def _story(self, site: Site, unit: Unit, snapshot: Snapshot) -> Story:
        today = today_of(site, snapshot)
        all_days = Period(today - (YEARS - 1) * DAY, today)
        days, since, stale = await self._history.by_day(site, all_days, snapshot)
        if unit == "hour":
            slots, old = await self._hour_slots(site, snapshot)
            stale = stale or old
        else:
            slots = day_slots(unit, days, since, today, site.settings.first_weekday)
        period = period_of_slots(slots, today)
        top = await self._history.top_of(site, period, snapshot)
        return Story(
            unit=unit,
            slots=slots,
            period=period,
            sums=add_days(days, period),
            compares=since <= first_before(slots),
            busiest=busiest_days(days),
            since=since,
            top=top.pages[:TOP_PAGES],
            stale=stale or top.stale,
        )

    async def _hour_slots(self, site: Site, snapshot: Snapshot) -> tuple[list[Slot], bool]:
        today = today_of(site, snapshot)
        series = await self._history.by_hour(site, Period(today - DAY, today), snapshot)
        return hour_slots(series.points, today, ZoneInfo(site.settings.time_zone)), series.stale
