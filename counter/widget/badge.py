"""The badge: one number as a small picture, right on light and dark pages, in any font. Pure."""

import unicodedata
from collections.abc import Mapping
from typing import Final, NamedTuple

from counter.errors import InvalidInputError
from counter.widget.locales import Language
from counter.widget.markup import Markup, element

COLOURS: Final[Mapping[str, str]] = {
    "blue": "#0b5394",
    "green": "#1b7a3d",
    "teal": "#0f766e",
    "red": "#b42318",
    "orange": "#b45309",
    "purple": "#6d3fc0",
    "pink": "#b0246a",
    "grey": "#555555",
    "black": "#24292f",
}
"""White text on each of these can be read (WCAG AA)."""

MOST_CHARACTERS: Final = 64
HEIGHT: Final = 20
_PADDING: Final = 6.0
_ROUND: Final = 4
_FONT: Final = "Verdana,'DejaVu Sans',Geneva,'Noto Sans',sans-serif"
_ADVANCES: Final = {
    **dict.fromkeys("iljI|!'\u2019", 3.1),
    **dict.fromkeys("ftr.,:;()[]/ \u00a0", 4.3),
    **dict.fromkeys("sczkvxy\u202f", 5.8),
    **dict.fromkeys("0123456789", 7.0),
    **dict.fromkeys("mwMW@%", 10.5),
}
"""The room that characters take at 11 px in the first font of the list."""


class Look(NamedTuple):
    """How a badge looks: a label (none if empty) and the names of two colours."""

    label: str
    colour: str
    label_colour: str


def parse_look(query: Mapping[str, str], label: str) -> Look:
    """Read how a badge shall look.

    Args:
        query: with `label`, `color` and `label_color`, all of them optional.
        label: said if no other is asked for.

    Raises:
        InvalidInputError: the label is too long, or a colour is not on the list.
    """
    said = query.get("label", label)
    if len(said) > MOST_CHARACTERS:
        raise InvalidInputError(f"a label has at most {MOST_CHARACTERS} characters")
    return Look(said.strip(), _colour(query, "color", "blue"), _colour(query, "label_color", "grey"))


def badge(look: Look, value: str, title: str, language: Language) -> bytes:
    """Return the SVG.

    Args:
        look: label and colours.
        value: the number, spelt.
        title: the whole, for those who do not see it.
        language: says in which direction the parts follow each other.
    """
    parts = [(look.label, look.label_colour)] if look.label else []
    parts.append((value, look.colour))
    if language.direction == "rtl":
        parts.reverse()
    drawn: list[Markup] = []
    x = 0
    for number, (text, colour) in enumerate(parts, 1):
        width = round(_width(text) + 2 * _PADDING)
        left, right = (_ROUND if number == 1 else 0), (_ROUND if number == len(parts) else 0)
        drawn += [
            element("path", d=_outline(x, width, left, right), fill=COLOURS[colour]),
            _text(text, x + width / 2, language),
        ]
        x += width
    return _svg(drawn, x, title, language).encode()


def _svg(drawn: list[Markup], width: int, title: str, language: Language) -> Markup:
    edge = element(
        "rect", x="0.5", y="0.5", width=width - 1, height=HEIGHT - 1, rx="3.5", fill="none",
        stroke="#fff", stroke_opacity="0.25",
    )  # fmt: skip
    return element(
        "svg",
        element("title", title),
        element("g", *drawn, edge, fill="#fff", font_size=11, font_family=_FONT),
        xmlns="http://www.w3.org/2000/svg",
        width=width,
        height=HEIGHT,
        viewBox=f"0 0 {width} {HEIGHT}",
        role="img",
        aria_label=title,
        **{"xml:lang": language.code},
    )


def _outline(x: int, width: int, left: int, right: int) -> str:
    """Outline a part whose corners are round at the ends of the badge."""
    return (
        f"M{x + left} 0h{width - left - right}q{right} 0 {right} {right}v{HEIGHT - 2 * right}"
        f"q0 {right} {-right} {right}h{left + right - width}q{-left} 0 {-left} {-left}v{2 * left - HEIGHT}"
        f"q0 {-left} {left} {-left}z"
    )


def _text(text: str, middle: float, language: Language) -> Markup:
    """Draw a text of the width that was reckoned for it, whatever font the reader has."""
    return element(
        "text",
        text,
        x=f"{middle:.1f}",
        y=14,
        text_anchor="middle",
        direction=language.direction,
        textLength=f"{_width(text):.1f}",
        lengthAdjust="spacingAndGlyphs",
    )


def _width(text: str) -> float:
    return sum(_advance(character) for character in text)


def _advance(character: str) -> float:
    """Reckon how much room a character takes at 11 px; an accent takes none."""
    letter = unicodedata.normalize("NFD", character)[0]
    if letter in _ADVANCES:
        return _ADVANCES[letter]
    if unicodedata.category(letter) in {"Mn", "Me", "Cf"}:
        return 0.0
    if unicodedata.east_asian_width(character) in {"W", "F"}:
        return 11.0
    if unicodedata.bidirectional(letter) == "AL":
        return 5.5
    return 7.7 if letter.isupper() else 6.8


def _colour(query: Mapping[str, str], name: str, default: str) -> str:
    colour = query.get(name, default)
    if colour not in COLOURS:
        raise InvalidInputError(f"{name} is one of {', '.join(COLOURS)}")
    return colour
