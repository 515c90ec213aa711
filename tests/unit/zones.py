"""Zones that do odd things, and their calendar found by looking: what ours is held against."""

from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from tests.unit.making import EPOCH, ms

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
LAST_MS = ms("2100-01-01T00:00Z")
NASTY_ZONES = [
    "Africa/Cairo",  # summer time at midnight
    "Africa/Casablanca",  # summer time suspended for Ramadan
    "Africa/Monrovia",  # −00:44:30 until 1972
    "America/Asuncion",
    "America/Caracas",  # changed by half an hour
    "America/Havana",  # midnight twice
    "America/New_York",
    "America/Sao_Paulo",  # midnights skipped
    "America/St_Johns",  # −03:30, and back from 00:01 to 23:01 of the day before until 2010
    "Antarctica/Casey",
    "Antarctica/Troll",  # two hours of summer time
    "Asia/Beirut",
    "Asia/Ho_Chi_Minh",
    "Asia/Kathmandu",  # +05:45
    "Asia/Pyongyang",
    "Asia/Tehran",  # +03:30
    "Atlantic/Azores",
    "Australia/Lord_Howe",  # half an hour of summer time
    "Europe/Dublin",  # negative summer time
    "Pacific/Apia",  # skipped a day
    "Pacific/Chatham",  # +12:45
    "Pacific/Kiritimati",  # +14:00, skipped a day
    "UTC",
]


def local(zone: ZoneInfo, at_ms: int) -> datetime:
    return (EPOCH + timedelta(milliseconds=at_ms)).astimezone(zone)


@lru_cache
def first_instant(zone: ZoneInfo, day: date) -> int:
    """Look for the first instant of a local date, minute by minute, then ms by ms."""
    utc_midnight = (day - EPOCH.date()).days * DAY_MS
    minutes = range(utc_midnight - 15 * HOUR_MS, utc_midnight + 15 * HOUR_MS, MINUTE_MS)
    later = next(minute for minute in minutes if local(zone, minute).date() == day)
    earlier = later - MINUTE_MS
    while later - earlier > 1:
        middle = (earlier + later) // 2
        earlier, later = (earlier, middle) if local(zone, middle).date() == day else (middle, later)
    return later


def next_change(zone: ZoneInfo, at_ms: int, days: int) -> int | None:
    """Return when the zone's offset changes within so many days, if it does."""
    offset = local(zone, at_ms).utcoffset()
    earlier, later = at_ms, at_ms + days * DAY_MS
    if local(zone, later).utcoffset() == offset:
        return None
    while later - earlier > 1:
        middle = (earlier + later) // 2
        same = local(zone, middle).utcoffset() == offset
        earlier, later = (middle, later) if same else (earlier, middle)
    return later


def latest_changes(zone: ZoneInfo) -> list[int]:
    """Return the latest 16 changes of the zone's offset before 2030."""
    found, at_ms = [], 0
    while at_ms < ms("2030-01-01T00:00Z"):
        change = next_change(zone, at_ms, days=20)
        found += [change] if change else []
        at_ms = change or at_ms + 20 * DAY_MS
    return found[-16:]
