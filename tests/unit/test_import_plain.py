"""A line that is read at a glance means what it means when it is read properly."""

from datetime import date

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from counter.imports import plain
from counter.imports.chooser import Chooser, Told
from counter.imports.formats import COMBINED
from counter.imports.logs import parse_line
from counter.imports.parsing import Chunk, Rules, parse_chunk
from counter.imports.plan import BOTS, REQUESTS, Options, Plan
from tests.unit.making import site_with

SITE = site_with()
LINE = b'192.0.2.1 - - [17/May/2024:10:05:03 +0000] "GET /a HTTP/1.1" 200 1 "-" "Mozilla/5.0 (X11)"'
COMMON = LINE.partition(b' "-" ')[0]
PARTS = (
    (b"192.0.2.1", b"2001:db8::1", b"a.example", b"\xff\xfe", b"a\tb", b"", b"1 2", "\u00a0".encode()),
    (b" - - ", b" - frank ", b" ", b" - [x] ", b"\t- - ", b"  - a\x0b "),
    (b"[17/May/2024:10:05:03 +0000] ", b"[31/Dec/1969:23:59:59 -0100] ", b"[01/Jan/1970:00:30:00 +0045] ",
     b"[17/May/2024:23:59:60 +0700] ", b"[17/May/2024:24:05:03 +0000] ", b"[30/Feb/2024:10:05:03 +0000] ",
     b"[17/May/2024:10:5:03 +0000] ", "[17/May/2024:10:05:0٣ +0000] ".encode(), b"[17/May/9999:10:05:03 +0000]"),
    (b'"GET /a HTTP/1.1" ', b'"GET /a.css HTTP/1.1" ', b'"POST / HTTP/2" ', b'"GET /a b" ', b'"-" ', b'"" ',
     b'"GET /\xff HTTP/1.1" ', rb'"GET /\"a HTTP/1.1" ', rb'"\x16\x03" ', b'"GET /" HTTP/1.1" ', b'"GET /b '),
    (b"200 1 ", b"304 - ", b"404 0 ", b"- 1 ", b"20 1 ", b"200 x ", b"200  1 ", b"200 ", "200 ٣ ".encode(), b"2000 1 "),
    (b'"-" ', b'"https://a.example/?q=\xff" ', rb'"\"" ', b'"-"', b"", b'"a"b" '),
    (b'"Mozilla/5.0 (X11)"', b'"-"', b'""', b'"Googlebot/2.1"', b'"' + b"x" * 700 + b'"', rb'"a\\"', b'"cut', b"",
     b'"Mozilla/5.0 \xf0\x9f"'),
    (b"", b" 0.123", b' "more"', b"\r", b" [", b"\xff"),
)  # fmt: skip
options = st.builds(
    Options, st.sampled_from(REQUESTS), st.sampled_from(BOTS), st.just("auto"),
    st.sampled_from([None, date(2024, 5, 16), date(2024, 5, 17)]),
)  # fmt: skip


@st.composite
def nearly_plain(draw: st.DrawFn) -> bytes:
    """A line of which a part or two are unusual."""
    chosen = [part[0] for part in PARTS]
    for place in draw(st.lists(st.integers(0, len(PARTS) - 1), max_size=2)):
        chosen[place] = draw(st.sampled_from(PARTS[place]))
    return b"".join(chosen)


def to_common(line: bytes) -> bytes:
    """Cut what the common format has not, wherever that may be now."""
    return b'"'.join(line.split(b'"')[:3]).rstrip()


junk = st.binary(max_size=30).map(lambda text: text.replace(b"\n", b""))
logs = st.one_of(
    st.lists(st.one_of(st.just(LINE), nearly_plain(), nearly_plain(), junk), min_size=1, max_size=12),
    st.lists(st.one_of(st.just(COMMON), nearly_plain().map(to_common), junk), min_size=1, max_size=12),
)


def read_properly(lines: list[bytes], chosen: Options) -> tuple[list[Told], list[str], int]:
    """What each line means alone: hits, reasons, and how many are malformed."""
    chooser = Chooser(Plan(SITE, chosen, "d" * 64))
    requests = [request for request in map(parse_line, lines) if request]
    outcomes = [chooser.choose(request) for request in requests]
    hits = [outcome for outcome in outcomes if not isinstance(outcome, str)]
    reasons = [outcome for outcome in outcomes if isinstance(outcome, str)]
    return hits, sorted(reasons), len(lines) - len(requests)


@settings(deadline=None, max_examples=500)
@given(logs, options)
@example([LINE + b' "', LINE, b'" ' + LINE], Options())
@example([b"", b"\xff", b'""""""', LINE], Options("all", "in"))
@example([LINE + b' "more"', LINE, LINE + b' "more" 1'], Options())
@example([LINE, LINE.replace(b" 1 ", b" 1 2 3 4 "), LINE], Options())
@example([COMMON, COMMON + b" 0.1", COMMON], Options())
@example([COMMON, LINE, COMMON], Options("pages", "skip"))
def test_glance_sees_what_a_proper_look_sees(lines: list[bytes], chosen: Options) -> None:
    """Hits in their order, why others do not count, and what is malformed are the same for any lines."""
    parsed = parse_chunk(Rules(1, SITE.key, SITE.settings, chosen, "d" * 64), Chunk(COMBINED, 1, lines))
    reasons = sorted(parsed.skipped.elements())
    assert (parsed.hits, reasons, parsed.malformed) == read_properly(lines, chosen)
    assert parsed.lines == len(lines)


def test_usual_lines_need_no_proper_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is meant to be quick is."""
    lines = [
        LINE,
        LINE.replace(b" - - ", b" - frank "),
        LINE.replace(b" 1 ", b" - "),
        LINE.replace(b"/a ", b"/b.css "),
    ]
    monkeypatch.setattr("counter.imports.parsing.parser_of", lambda _format: None)
    for behind in (b"", b" 0.123", b' "203.0.113.7"', b' "a" 0.1 "b" "c"'):
        for usual in ([line + behind for line in lines], [to_common(line) for line in lines]):
            rules = Rules(1, SITE.key, SITE.settings, Options(), "d" * 64)
            parsed = parse_chunk(rules, Chunk(COMBINED, 1, usual))
            assert (len(parsed.hits), parsed.skipped) == (3, {"a file, no page": 1})


def test_memory_of_what_was_seen_is_bounded() -> None:
    """Addresses and requests that somebody makes up do not fill the memory."""
    found = plain.Remembered(len, most=3)
    assert [found["x" * number] for number in range(7)] == list(range(7))
    assert len(found) <= 3
    assert found["x" * 1000] == 1000
    assert "x" * 1000 not in found
