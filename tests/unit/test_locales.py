"""Twelve languages, all of them complete, and the one that a reader wants."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counter.sites.model import METRICS
from counter.widget.languages import load_languages
from counter.widget.periods import UNITS

LANGUAGES = load_languages()
each_language = pytest.mark.parametrize("language", LANGUAGES.values(), ids=LANGUAGES.keys())
FIELDS = {"minutes", "zone", "weekday", "time"}


def texts(value):
    """Go through all texts of a language's words."""
    if isinstance(value, str):
        yield value
    else:
        parts = (
            value.values()
            if isinstance(value, dict)
            else (getattr(value, f) for f in value.__struct_fields__)
        )
        for part in parts:
            yield from texts(part)


def fields_of(text):
    return {name for _text, name, _spec, _conversion in string.Formatter().parse(text) if name}


def test_all_languages_are_there():
    """The languages that are promised, right-to-left included."""
    assert set(LANGUAGES) == {"vi", "en", "zh", "ja", "ko", "fr", "de", "es", "ru", "th", "id", "ar"}
    assert [code for code, language in LANGUAGES.items() if language.direction == "rtl"] == ["ar"]


@each_language
def test_language_is_complete(language):
    """No word is empty or left in another language's place, and each fills in what the others do."""
    words, english = language.words, LANGUAGES["en"].words
    assert [fields_of(text) for text in texts(words)] == [fields_of(text) for text in texts(english)]
    assert all(text.strip() == text != "" for text in texts(words))
    assert set(words.totals) == set(words.metrics) == set(METRICS)
    assert set(words.units) == set(words.recent) == set(UNITS)
    assert (len(language.months), len(language.months_in_dates), len(language.months_long)) == (12, 12, 12)
    assert len(language.weekdays) == 7
    assert language.percent.count("{number}") == 1
    if language.code != "en":
        same = [a for a, b in zip(texts(words), texts(english), strict=True) if a == b]
        assert set(same) <= {"Bots", "Page", "Total"}


@pytest.mark.parametrize(
    ("code", "number", "expected"),
    [
        ("vi", 412_135, "412.135"),
        ("en", 412_135, "412,135"),
        ("fr", 5095, "5\u202f095"),
        ("es", 5095, "5095"),
        ("es", 15_098, "15.098"),
        ("ru", 5095, "5\u00a0095"),
        ("ar", 0, "0"),
        ("de", -1234, "-1.234"),
        ("vi", 2**63 - 1, "9.223.372.036.854.775.807"),
    ],
)
def test_numbers(code, number, expected):
    """Numbers are grouped as their readers group them, whatever their size."""
    assert LANGUAGES[code].number(number) == expected


@pytest.mark.parametrize(
    ("code", "now", "before", "expected"),
    [
        ("en", 112, 100, "+12%"),
        ("en", 1034, 1000, "+3.4%"),
        ("vi", 966, 1000, "−3,4%"),
        ("fr", 100, 100, "±0\u00a0%"),
        ("de", 500_100, 100, "+500.000\u00a0%"),
        ("vi", 0, 7, "−100%"),
    ],
)
def test_changes(code, now, before, expected):
    """Growth and fall are told with their sign."""
    assert LANGUAGES[code].change(now, before) == expected


@pytest.mark.parametrize(
    ("asked", "accepted", "expected"),
    [
        (None, "", "vi"),
        ("de", "fr", "de"),
        ("en-GB", "", "en"),
        ("ZH-hant", "", "zh"),
        ("xx", "ar;q=0.3, fr;q=0.9, en;q=0.8", "fr"),
        ("../../etc/passwd", "", "vi"),
        (None, "pt-BR, pt;q=0.9, es;q=0.5", "es"),
        (None, "en;q=0, *;q=1", "vi"),
        (None, "en;q=high, ja", "ja"),
        (None, "ko-KR", "ko"),
    ],
)
def test_language_that_is_wanted(asked, accepted, expected):
    """What is asked for comes first, then what the browser prefers, then Vietnamese."""
    assert LANGUAGES.pick(asked, accepted).code == expected


@given(st.text(max_size=40), st.text(max_size=400))
def test_any_wish_gets_a_language(asked, accepted):
    """No header and no parameter breaks the choice."""
    assert LANGUAGES.pick(asked, accepted).code in LANGUAGES
