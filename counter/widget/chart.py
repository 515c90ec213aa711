"""Bars over time as inline SVG: widths in percent, so that the letters stay as large as the page's. Pure."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from counter.widget.markup import Markup, element, join

TOP: Final = 8
FOOT: Final = 22
_GAP: Final = 0.22
_STEPS: Final = (1, 2, 5)
_MOST_TICKS: Final = 4
_EDGE: Final = 8.0


class Bar(NamedTuple):
    """One bar.

    Attributes:
        label: stands below it; none if empty.
        value: None draws none.
        before: a mark beside which the bar is seen; None draws none.
        running: it may still grow.
        title: all of this, for a pointer that rests on it.
    """

    label: str
    value: int | None
    before: int | None
    running: bool
    title: str


def bar_chart(bars: Sequence[Bar], title: str, spell: Callable[[int], str], height: int) -> Markup:
    """Return a chart with its scale.

    Args:
        bars: from left to right.
        title: what it shows, for those who do not see it.
        spell: spells the numbers of the scale.
        height: of the tallest bar, in CSS pixels.
    """
    most = max((value for bar in bars for value in (bar.value, bar.before) if value is not None), default=0)
    scale = ticks(most)
    slot = 100 / len(bars)
    lines = (_line(TOP + height - height * tick / scale[-1]) for tick in scale)
    drawn = (_bar(bar, number * slot, slot, scale[-1], height) for number, bar in enumerate(bars))
    return element(
        "div",
        element("ol", *(element("li", spell(tick)) for tick in reversed(scale)), aria_hidden="true"),
        element(
            "svg",
            *lines,
            *drawn,
            width="100%",
            height=TOP + height + FOOT,
            role="img",
            aria_label=title,
            direction="ltr",
        ),
        class_=f"chart chart-{height}",
    )


def ticks(most: int) -> list[int]:
    """Return the numbers of a scale from 0: round ones, a few, the last at least `most`."""
    power = 1
    while True:
        for step in (factor * power for factor in _STEPS):
            top = -(-most // step) * step
            if top <= _MOST_TICKS * step:
                return list(range(0, max(top, step) + 1, step))
        power *= 10


def share_bar(parts: Sequence[tuple[int, str]], title: str) -> Markup:
    """Return one bar cut into parts, each an amount and its class."""
    whole = sum(amount for amount, _class in parts) or 1
    drawn = []
    x = 0.0
    for amount, class_ in parts:
        width = 100 * amount / whole
        drawn.append(element("rect", x=f"{x:.3f}%", width=f"{width:.3f}%", height="100%", class_=class_))
        x += width
    return element("svg", *drawn, width="100%", height=18, role="img", aria_label=title, class_="share")


def small_bar(amount: int, most: int) -> Markup:
    """Return a bar that only accompanies a number."""
    width = 100 * amount / (most or 1)
    return element(
        "svg",
        element("rect", width=f"{width:.2f}%", height="100%", rx=2, class_="now"),
        width="100%",
        height=8,
        aria_hidden="true",
        class_="small",
    )


def _line(y: float) -> Markup:
    return element("line", x2="100%", y1=f"{y:.1f}", y2=f"{y:.1f}", class_="grid")


def _bar(bar: Bar, x: float, slot: float, most: int, height: int) -> Markup:
    inner = slot * (1 - _GAP)
    left = x + slot * _GAP / 2
    return element(
        "g",
        element("title", bar.title),
        element("rect", x=f"{x:.3f}%", width=f"{slot:.3f}%", height=TOP + height, class_="hover"),
        _column(bar, left, inner, most, height),
        _mark(bar, left, inner, most, height),
        _label(bar.label, x + slot / 2, height),
    )


def _column(bar: Bar, left: float, inner: float, most: int, height: int) -> Markup | None:
    if not bar.value:
        return None
    tall = max(1.0, height * bar.value / most)
    return element(
        "rect",
        x=f"{left:.3f}%",
        y=f"{TOP + height - tall:.1f}",
        width=f"{inner:.3f}%",
        height=f"{tall:.1f}",
        class_="now running" if bar.running else "now",
    )


def _mark(bar: Bar, left: float, inner: float, most: int, height: int) -> Markup | None:
    if bar.before is None:
        return None
    y = f"{TOP + height - height * bar.before / most:.1f}"
    ends = {"x1": f"{left:.3f}%", "x2": f"{left + inner:.3f}%", "y1": y, "y2": y}
    return join(element("line", **ends, class_="halo"), element("line", **ends, class_="before"))


def _label(text: str, x: float, height: int) -> Markup | None:
    if not text:
        return None
    anchor = "start" if x < _EDGE else "end" if x > 100 - _EDGE else "middle"
    at = 0.0 if anchor == "start" else 100.0 if anchor == "end" else x
    return element("text", text, x=f"{at:.3f}%", y=TOP + height + FOOT - 5, text_anchor=anchor)
