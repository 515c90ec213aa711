"""The badge as a picture: well-formed whatever it says, and readable."""

import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counter.errors import InvalidInputError
from counter.widget.badge import COLOURS, MOST_CHARACTERS, Look, badge, parse_look
from counter.widget.languages import load_languages
from tests.unit.making import any_text

LANGUAGES = load_languages()
SVG = "{http://www.w3.org/2000/svg}"
languages = st.sampled_from(list(LANGUAGES.values()))


def texts(body):
    return [text.text for text in ET.fromstring(body).iter(f"{SVG}text")]


@given(any_text(MOST_CHARACTERS), any_text(20), languages)
def test_badge_is_a_picture_whatever_it_says(label, value, language):
    """No label is more than a text, and the parts lie side by side within the picture."""
    body = badge(Look(label, "blue", "grey"), value, f"{label}: {value}", language)
    root = ET.fromstring(body)
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert tags <= {"svg", "title", "g", "path", "text", "rect"}
    assert len(texts(body)) == (2 if label else 1)
    width = float(root.get("width"))
    for text in root.iter(f"{SVG}text"):
        half = float(text.get("textLength")) / 2
        assert float(text.get("x")) - half >= 0
        assert float(text.get("x")) + half <= width


def test_direction():
    """From right to left, the label stands at the right."""
    look = Look("label", "blue", "grey")
    assert texts(badge(look, "5", "t", LANGUAGES["vi"])) == ["label", "5"]
    assert texts(badge(look, "5", "t", LANGUAGES["ar"])) == ["5", "label"]


def luminance(colour):
    """Relative luminance as WCAG defines it."""
    parts = [int(part, 16) / 255 for part in re.findall("..", colour[1:])]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("name", COLOURS)
def test_colours_can_be_read(name):
    """White on each colour has a contrast of at least 4.5 (WCAG AA)."""
    assert 1.05 / (luminance(COLOURS[name]) + 0.05) >= 4.5


@pytest.mark.parametrize(
    "query",
    [{"color": "#fff"}, {"label_color": "url(x)"}, {"color": ""}, {"label": "x" * (MOST_CHARACTERS + 1)}],
)
def test_look_that_is_refused(query):
    """Colours are those of the list, and a label is short."""
    with pytest.raises(InvalidInputError):
        parse_look(query, "label")


def test_look_that_is_asked_for():
    """What is not asked for is as it always is."""
    assert parse_look({}, "label") == Look("label", "blue", "grey")
    assert parse_look({"label": "", "color": "green"}, "label") == Look("", "green", "grey")
