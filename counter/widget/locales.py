"""How numbers, dates and words are spelt in a language, and which language a reader wants. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from typing import Final, Literal

import msgspec

from counter.sites.model import Metric
from counter.widget.periods import Unit

DEFAULT: Final = "vi"
"""Spoken where nobody says what is wanted."""

_MOST_HEADER: Final = 256


class Definitions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What each number means, in a sentence."""

    online: str
    visits: str
    views: str
    visitors: str
    bots: str
    periods: str
    total: str


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that the pages say; `{…}` stands for what is filled in."""

    title: str
    online: str
    today: str
    yesterday: str
    week: str
    month: str
    totals: dict[Metric, str]
    metrics: dict[Metric, str]
    people: str
    bots: str
    statistics: str
    as_of: str
    stale: str
    unavailable: str
    history: str
    units: dict[Unit, str]
    recent: dict[Unit, str]
    before: str
    running: str
    compared: str
    busiest: str
    since: str
    top: str
    page: str
    other: str
    no_pages: str
    people_and_bots: str
    bots_note: str
    table: str
    time: str
    download: str
    meanings: str
    define: Definitions
    by_day_only: str
    language: str
    privacy: str


class Language(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One language, spelt as browsers spell it (CLDR), so that a script may go on where a page began.

    Attributes:
        name: as its speakers call it.
        grouping: between groups of three digits, in numbers of at least `grouping_from_digits`.
        year_offset: what the calendar in use adds to the year.
        months: short, alone; `months_in_dates` short and `months_long` long, beside a day.
        weekdays: from Monday.
        day, month_of_year, full_date, time: patterns.
    """

    code: str
    name: str
    direction: Literal["ltr", "rtl"]
    grouping: str
    grouping_from_digits: int
    decimal: str
    percent: str
    year_offset: int
    months: tuple[str, ...]
    months_in_dates: tuple[str, ...]
    months_long: tuple[str, ...]
    weekdays: tuple[str, ...]
    day: str
    month_of_year: str
    full_date: str
    time: str
    words: Words

    def number(self, number: int) -> str:
        """Spell a whole number."""
        digits = f"{abs(number)}"
        if len(digits) >= self.grouping_from_digits:
            digits = f"{abs(number):,}".replace(",", self.grouping)
        return f"-{digits}" if number < 0 else digits

    def share(self, part: int, whole: int) -> str:
        """Spell how much of the whole a part is, with a tenth of a percent below ten."""
        percent = 100 * part / whole if whole else 0.0
        return self._percent(percent, "")

    def change(self, now: int, before: int) -> str:
        """Spell by how much a number grew or fell; `before` is not 0."""
        percent = 100 * (now - before) / before
        return self._percent(abs(percent), "+" if now > before else "−" if now < before else "±")

    def short_day(self, day: date) -> str:
        """Spell a day without its year."""
        return self.day.format(day=day.day, month=self.months_in_dates[day.month - 1])

    def short_month(self, day: date) -> str:
        """Spell a month without its year."""
        return self.months[day.month - 1]

    def month_and_year(self, day: date) -> str:
        """Spell a month with its year."""
        return self.month_of_year.format(month=self.months_in_dates[day.month - 1], year=self.year(day))

    def year(self, day: date) -> str:
        """Spell a year."""
        return str(day.year + self.year_offset)

    def long_date(self, day: date) -> str:
        """Spell a day with its weekday and its year."""
        month, weekday = self.months_long[day.month - 1], self.weekdays[day.weekday()]
        return self.full_date.format(day=day.day, month=month, year=self.year(day), weekday=weekday)

    def clock(self, at: datetime) -> str:
        """Spell the time of day."""
        return self.time.format(hour=f"{at.hour:02d}", minute=f"{at.minute:02d}")

    def _percent(self, percent: float, sign: str) -> str:
        digits = 0 if percent >= 10 or percent == 0 else 1  # noqa: PLR2004 - as much as one reads
        spelt = f"{percent:.{digits}f}".replace(".", self.decimal)
        if len(spelt) >= self.grouping_from_digits and spelt.isdecimal():
            spelt = self.number(int(spelt))
        return sign + self.percent.format(number=spelt)


class Languages(Mapping[str, Language]):
    """All languages, by their codes."""

    def __init__(self, languages: Iterable[Language]) -> None:
        self._languages = {language.code: language for language in languages}

    def __getitem__(self, code: str) -> Language:
        return self._languages[code]

    def __iter__(self) -> Iterator[str]:
        return iter(self._languages)

    def __len__(self) -> int:
        return len(self._languages)

    def pick(self, asked: str | None, accepted: str = "") -> Language:
        """Return the language that is asked for by its code, else the best of an Accept-Language header."""
        for wanted in (asked or "", *_by_preference(accepted[:_MOST_HEADER])):
            code = wanted.strip().partition("-")[0].lower()
            if code in self._languages:
                return self._languages[code]
        return self._languages[DEFAULT]


def decode_language(body: bytes) -> Language:
    """Read a language.

    Raises:
        msgspec.ValidationError: a word is missing, or one that nobody says is there.
    """
    return msgspec.json.decode(body, type=Language)


def _by_preference(header: str) -> list[str]:
    weighed = []
    for part in header.split(","):
        name, _, weight = part.partition(";")
        try:
            q = float(weight.strip().removeprefix("q=")) if weight else 1.0
        except ValueError:
            continue
        if q > 0:
            weighed.append((q, name.strip()))
    return [name for q, name in sorted(weighed, key=lambda pair: -pair[0])]
