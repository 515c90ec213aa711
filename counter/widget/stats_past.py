"""What the statistics page says about the past: charts, people and bots, pages, a table. Pure."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Final, NamedTuple

from counter.sites.model import METRICS, Metric, Site
from counter.sites.paths import OTHER
from counter.widget.block import NOT_KNOWN
from counter.widget.chart import Bar, bar_chart, share_bar, small_bar
from counter.widget.locales import Language
from counter.widget.markup import Markup, element, join
from counter.widget.periods import Unit
from counter.widget.story import Slot, Story

TALL: Final = 190
SHORT: Final = 130
_LABELS: Final = {"hour": (6, 0), "day": (7, 3), "week": (3, 1), "month": (3, 1)}
"""Every how many slots there is a label, and at which of them."""


class View(NamedTuple):
    """Which side of the statistics somebody looks at."""

    unit: Unit
    metric: Metric
    language: Language

    def query(self, **changed: str) -> str:
        """Return the query of the address that shows this view, or one that differs in something."""
        said = {"unit": self.unit, "metric": self.metric, "lang": self.language.code} | changed
        return "?" + "&".join(f"{name}={value}" for name, value in said.items())


def charts(site: Site, story: Story, view: View) -> Markup:
    """Return the charts of all metrics that the unit has, the one in view first and largest."""
    words = view.language.words
    metrics = sorted(METRICS, key=lambda metric: metric != view.metric)
    known = [metric for metric in metrics if story.total(metric) is not None]
    drawn = (_chart(story, metric, view, SHORT if number else TALL) for number, metric in enumerate(known))
    return join(
        element("p", words.stale, class_="note") if story.stale else None,
        _legend(story, view.language),
        element("div", *drawn, class_="charts"),
        element("p", words.by_day_only, class_="note") if story.unit == "hour" else None,
        element("p", words.compared, ".", class_="note") if story.compares else None,
        _facts(story, view),
        _table(site, story, view.language),
    )


def people_and_bots(story: Story, language: Language) -> Markup:
    """Return the section that sets the views of people and of bots side by side."""
    words, people, bots = language.words, story.sums.views, story.sums.bots
    both = people + bots
    rows = (
        element(
            "div",
            element("dt", name),
            element("dd", language.number(views)),
            element("dd", language.share(views, both), class_="aside") if both else None,
            class_=class_,
        )
        for name, views, class_ in ((words.people, people, "people"), (words.bots, bots, "bots"))
    )
    title = f"{words.people} {language.share(people, both)}, {words.bots} {language.share(bots, both)}"
    return element(
        "section",
        element("h2", words.people_and_bots, id="bots"),
        element("p", f"{words.metrics['views']} · {_days(story, language)}", class_="note"),
        share_bar(((people, "now"), (bots, "bots")), title) if both else None,
        element("dl", *rows, class_="shares"),
        element("p", words.bots_note, class_="note"),
        class_="people",
        aria_labelledby="bots",
    )


def top_pages(story: Story, language: Language) -> Markup:
    """Return the section of the pages that were viewed most."""
    words = language.words
    most = max((views for _path, views in story.top), default=0)
    rows = (
        element(
            "tr",
            element("th", *_path(path, language), scope="row"),
            element("td", small_bar(views, most)),
            element("td", language.number(views)),
        )
        for path, views in story.top
    )
    head = element(
        "tr",
        element("th", words.page, scope="col"),
        element("td"),
        element("th", words.metrics["views"], scope="col"),
    )
    return element(
        "section",
        element("h2", words.top, id="top"),
        element("p", _days(story, language), class_="note"),
        element("table", element("thead", head), element("tbody", *rows), class_="top")
        if story.top
        else element("p", words.no_pages),
        class_="pages",
        aria_labelledby="top",
    )


def _path(path: str, language: Language) -> Iterable[Markup]:
    if path == OTHER:
        yield element("em", language.words.other)
    else:
        yield element("bdi", path, dir="ltr")


def _legend(story: Story, language: Language) -> Markup:
    words = language.words
    keys = [("now", _recent(story, language)), ("before", words.before), ("running", words.running)]
    return element("ul", *(element("li", text, class_=f"key-{key}") for key, text in keys), class_="legend")


def _chart(story: Story, metric: Metric, view: View, height: int) -> Markup:
    language = view.language
    name = language.words.metrics[metric]
    total = story.total(metric) or 0
    bars = [_bar(slot, number, metric, story, language) for number, slot in enumerate(story.slots)]
    return element(
        "figure",
        element(
            "figcaption",
            element("span", name, class_="name"),
            element("strong", language.number(total)),
            _change(story, metric, language),
        ),
        bar_chart(bars, f"{name}: {_recent(story, language)}", language.number, height),
        class_="main" if height == TALL else None,
    )


def _bar(slot: Slot, number: int, metric: Metric, story: Story, language: Language) -> Bar:
    value = getattr(slot.now, metric) if slot.now else None
    before = getattr(slot.before, metric) if slot.before else None
    title = (
        f"{_when(slot, story, language)}: {_spelt(value, language)} "
        f"({language.words.before}: {_spelt(before, language)})"
    )
    every, at = _LABELS[story.unit]
    place = number if slot.hour is None else slot.hour
    label = _axis(slot, story.unit, language) if place % every == at else ""
    return Bar(label, value, before, running=slot.now is not None and not slot.now.complete, title=title)


def _change(story: Story, metric: Metric, language: Language) -> Markup | None:
    compared = story.compare(metric)
    if compared is None or not compared.before:
        return None
    now, before = compared
    class_ = "up" if now > before else "down" if now < before else "same"
    spelt = element("bdi", language.change(now, before), dir="ltr")
    title = f"{language.words.compared}: {language.number(now)} / {language.number(before)}"
    return element("span", spelt, class_=f"change {class_}", title=title)


def _facts(story: Story, view: View) -> Markup:
    language, words = view.language, view.language.words
    busiest = story.busiest.get(view.metric)
    facts = [(words.since, language.long_date(story.since), "")]
    if busiest:
        number = f"{words.metrics[view.metric]}: {language.number(busiest[1])}"
        facts.insert(0, (words.busiest, language.long_date(busiest[0]), number))
    rows = (
        element(
            "div",
            element("dt", name),
            element("dd", text),
            element("dd", number, class_="aside") if number else None,
        )
        for name, text, number in facts
    )
    return element("dl", *rows, class_="facts")


def _table(site: Site, story: Story, language: Language) -> Markup:
    words = language.words
    named = {metric: words.metrics[metric] for metric in METRICS} | {"bots": words.bots}
    figures = ("visits", "views") if story.unit == "hour" else tuple(named)
    names = [words.time, *(named[figure] for figure in figures)]
    head = element("tr", *(element("th", name, scope="col") for name in names))
    rows = (
        element(
            "tr",
            element("th", _when(slot, story, language), scope="row"),
            *(element("td", _spelt(getattr(slot.now, figure), language)) for figure in figures),
        )
        for slot in reversed(story.slots)
        if slot.now
    )
    table = element("table", element("thead", head), element("tbody", *rows))
    ends = f"from={story.period.first}&to={story.period.last}"
    address = f"../v1/sites/{site.key}/history?unit={story.unit}&{ends}&format=csv"
    return element(
        "details",
        element("summary", words.table),
        element("div", table, tabindex=0, role="region", aria_label=words.table),
        element("p", element("a", words.download, href=address, download=True)),
    )


def _spelt(value: int | None, language: Language) -> str:
    return NOT_KNOWN if value is None else language.number(value)


def _recent(story: Story, language: Language) -> str:
    return language.words.recent[story.unit]


def _days(story: Story, language: Language) -> str:
    return language.words.today if story.unit == "hour" else _recent(story, language)


def _axis(slot: Slot, unit: Unit, language: Language) -> str:
    if slot.hour is not None:
        return language.time.format(hour=f"{slot.hour:02d}", minute="00")
    return language.short_month(slot.first) if unit == "month" else language.short_day(slot.first)


def _when(slot: Slot, story: Story, language: Language) -> str:
    if slot.hour is not None:
        return language.time.format(hour=f"{slot.hour:02d}", minute="00")
    if story.unit == "week":
        last: date = slot.first + timedelta(days=6)
        return f"{language.short_day(slot.first)} – {language.short_day(last)}"
    if story.unit == "month":
        return language.month_and_year(slot.first)
    return language.long_date(slot.first)
