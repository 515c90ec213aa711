"""The statistics page: what is counted now, what was counted when, and what the numbers mean. Pure."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from counter.sites.model import METRICS, Site
from counter.widget.block import SHOWN, label_of, note_of, value_of
from counter.widget.embed import AddressOf
from counter.widget.locales import Language, Languages
from counter.widget.markup import Markup, document, element, join
from counter.widget.periods import UNITS
from counter.widget.render import Numbers, numbers
from counter.widget.stats_past import View, charts, people_and_bots, top_pages
from counter.widget.story import Overview

REFRESH_SECONDS: Final = 10


def stats_page(site: Site, overview: Overview, view: View, languages: Languages, asset: AddressOf) -> bytes:
    """Return the page.

    Args:
        site: whose numbers.
        overview: what is known of it.
        view: which side of it is looked at.
        languages: the page can be had in.
        asset: finds the page's files.
    """
    language, words = view.language, view.language.words
    name = site.settings.name or site.key
    shown = numbers(overview.snapshot, site, view.metric) if overview.snapshot else None
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{words.statistics} – {name}"),
        element("link", rel="icon", href=asset("icon.svg"), type="image/svg+xml"),
        element("link", rel="stylesheet", href=asset("stats.css")),
        element("script", src=asset("live.js"), defer=True),
    )
    body = element(
        "body",
        element("header", element("div", element("p", words.statistics), element("h1", name))),
        element(
            "main",
            _now(site, overview, shown, view),
            _past(site, overview, view),
            _meanings(site, language),
        ),
        _footer(view, languages),
        data_source=f"../v1/sites/{site.key}/widget?metric={view.metric}",
        data_seconds=REFRESH_SECONDS,
        data_stale=words.stale,
        data_unavailable=words.unavailable,
    )
    return document(element("html", head, body, lang=language.code, dir=language.direction))


def _now(site: Site, overview: Overview, shown: Numbers | None, view: View) -> Markup:
    language, words = view.language, view.language.words
    note = note_of(shown, language, stale=overview.snapshot is not None and overview.snapshot.stale)
    tabs = ((words.metrics[metric], view.query(metric=metric), metric == view.metric) for metric in METRICS)
    return element(
        "section",
        element(
            "div",
            element("h2", words.metrics[view.metric], id="now"),
            _tabs(tabs, words.title),
            class_="head",
        ),
        element("dl", *(_number(period, shown, view) for period in SHOWN), class_="numbers"),
        element(
            "p",
            _as_of(site, overview, language),
            element("span", note, hidden=not note, data_note=True, role="status", class_="note"),
            class_="as-of",
        ),
        aria_labelledby="now",
    )


def _number(period: str, shown: Numbers | None, view: View) -> Markup:
    language, words = view.language, view.language.words
    yesterday = (
        element(
            "dd",
            f"{words.yesterday} ",
            element("span", value_of("yesterday", shown, language), data_counter="yesterday"),
            class_="aside",
        )
        if period == "today"
        else None
    )
    value = element("dd", value_of(period, shown, language), data_counter=period, class_="value")
    return element(
        "div", element("dt", label_of(period, view.metric, language)), value, yesterday, class_=period
    )


def _as_of(site: Site, overview: Overview, language: Language) -> Markup | None:
    if overview.snapshot is None:
        return None
    at = datetime.fromtimestamp(overview.snapshot.as_of_ms / 1000, ZoneInfo(site.settings.time_zone))
    before, after = language.words.as_of.split("{time}")
    between = language.time.format(hour="", minute="")
    clock = element(
        "time", language.clock(at), datetime=at.isoformat(timespec="seconds"), data_clock=between, dir="ltr"
    )
    return element("span", before, clock, f"{after} · ", element("bdi", site.settings.time_zone))


def _past(site: Site, overview: Overview, view: View) -> Markup:
    words, story = view.language.words, overview.story
    tabs = [(words.units[unit], view.query(unit=unit), unit == view.unit) for unit in UNITS]
    history = element(
        "section",
        element("div", element("h2", words.history, id="history"), _tabs(tabs, words.history), class_="head"),
        charts(site, story, view) if story else element("p", words.unavailable),
        aria_labelledby="history",
    )
    if story is None:
        return history
    return join(history, top_pages(story, view.language), people_and_bots(story, view.language))


def _tabs(tabs: Iterable[tuple[str, str, bool]], label: str) -> Markup:
    links = (
        element("a", name, href=address, aria_current="true" if current else None)
        for name, address, current in tabs
    )
    return element("nav", *links, aria_label=label, class_="tabs")


def _meanings(site: Site, language: Language) -> Markup:
    words, define, settings = language.words, language.words.define, site.settings
    weekday = language.weekdays[settings.first_weekday - 1]
    visit_minutes = language.number(settings.visit_timeout_seconds // 60)
    online_minutes = language.number(-(-settings.online_window_seconds // 60))
    meanings = (
        (words.online, define.online.format(minutes=online_minutes)),
        (words.metrics["visits"], define.visits.format(minutes=visit_minutes)),
        (words.metrics["views"], define.views),
        (words.metrics["visitors"], define.visitors),
        (words.bots, define.bots),
        (
            f"{words.today} · {words.week} · {words.month}",
            define.periods.format(zone=settings.time_zone, weekday=weekday),
        ),
        (words.totals["visits"], define.total),
    )
    return element(
        "section",
        element("h2", words.meanings, id="meanings"),
        element("dl", *(element("div", element("dt", name), element("dd", text)) for name, text in meanings)),
        class_="meanings",
        aria_labelledby="meanings",
    )


def _footer(view: View, languages: Languages) -> Markup:
    links = (
        element(
            "li",
            element(
                "a",
                language.name,
                href=view.query(lang=language.code),
                lang=language.code,
                hreflang=language.code,
                aria_current="true" if language is view.language else None,
            ),
        )
        for language in sorted(languages.values(), key=lambda language: language.code)
    )
    return element(
        "footer",
        element("p", view.language.words.privacy),
        element("nav", element("ul", *links), aria_label=view.language.words.language),
    )
