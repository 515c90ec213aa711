"""The five numbers as a list, for a page of ours and for one that includes it. Pure."""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, get_args

from counter.errors import InvalidInputError
from counter.sites.model import METRICS, Metric
from counter.widget.locales import Language
from counter.widget.markup import Markup, element
from counter.widget.render import Numbers

NOT_KNOWN: Final = "–"
SHOWN: Final = ("online", "today", "week", "month", "total")

Theme = Literal["plain", "card", "line", "digits"]
Scheme = Literal["auto", "light", "dark"]
THEMES: Final[tuple[Theme, ...]] = get_args(Theme)
SCHEMES: Final[tuple[Scheme, ...]] = get_args(Scheme)


class Style(NamedTuple):
    """How a block looks."""

    theme: Theme
    scheme: Scheme


def parse_style(query: Mapping[str, str]) -> Style:
    """Read how a block shall look.

    Raises:
        InvalidInputError: there is no such theme or scheme.
    """
    theme, scheme = query.get("theme", "card"), query.get("scheme", "auto")
    for known in THEMES:
        for known_scheme in SCHEMES:
            if (theme, scheme) == (known, known_scheme):
                return Style(known, known_scheme)
    raise InvalidInputError(
        f"the theme is one of {', '.join(THEMES)}, the scheme one of {', '.join(SCHEMES)}"
    )


def parse_metric(query: Mapping[str, str], default: Metric) -> Metric:
    """Read what shall be counted.

    Raises:
        InvalidInputError: there is no such metric.
    """
    asked = query.get("metric", default)
    for metric in METRICS:
        if metric == asked:
            return metric
    raise InvalidInputError(f"the metric is one of {', '.join(METRICS)}")


def label_of(period: str, metric: Metric, language: Language) -> str:
    """Return what a number is called."""
    words = language.words
    return words.totals[metric] if period == "total" else str(getattr(words, period))


def value_of(period: str, shown: Numbers | None, language: Language) -> str:
    """Return how a number is spelt; a dash if it is not known."""
    return NOT_KNOWN if shown is None else language.number(getattr(shown, period))


def block(shown: Numbers | None, metric: Metric, language: Language, *, digits: bool = False) -> Markup:
    """Return the list of numbers.

    Args:
        shown: the numbers; None if they cannot be read.
        metric: what they count.
        language: of the labels.
        digits: each digit stands in a box of its own.
    """
    rows = (
        element(
            "div",
            element("dt", label_of(period, metric, language)),
            element("dd", _value(value_of(period, shown, language), digits=digits), data_counter=period),
            class_=f"visitor-counter-{period}",
        )
        for period in SHOWN
    )
    return element("dl", *rows, class_="visitor-counter-numbers")


def note_of(shown: Numbers | None, language: Language, *, stale: bool) -> str:
    """Return what has to be said about the numbers: nothing if they are of this moment."""
    if shown is None:
        return language.words.unavailable
    return language.words.stale if stale else ""


def fragment(
    shown: Numbers | None,
    metric: Metric,
    language: Language,
    note: str,
    *,
    digits: bool = False,
    title: str = "p",
) -> Markup:
    """Return the block with its title, and a note where there is something to say about the numbers.

    Args:
        shown: the numbers; None if they cannot be read.
        metric: what they count.
        language: of the labels.
        note: empty for nothing to say.
        digits: each digit stands in a box of its own.
        title: the element of the title; a heading where the block is a page of its own.
    """
    return element(
        "section",
        element(title, language.words.title, class_="visitor-counter-title"),
        block(shown, metric, language, digits=digits),
        element("p", note, class_="visitor-counter-note", hidden=not note, data_note=True),
        class_="visitor-counter",
        aria_label=language.words.title,
        lang=language.code,
        dir=language.direction,
    )


def _value(value: str, *, digits: bool) -> Markup | str:
    if not digits:
        return value
    boxes = (element("b" if character.isdigit() else "i", character) for character in value)
    return element("span", *boxes, role="img", aria_label=value)
