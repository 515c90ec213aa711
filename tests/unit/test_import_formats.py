"""Logs of IIS and in formats of one's own are read like those of Apache, and in chunks as in one."""

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counter.errors import ImportFileError
from counter.imports.file import in_time_order
from counter.imports.formats import COMBINED, W3C, parser_of
from counter.imports.logs import LoggedRequest, parse_line
from counter.imports.parsing import AUTO, Rules, chunks, parse_all, parse_chunk
from counter.imports.plan import Options, Plan
from tests.unit.making import ms, site_with

FIELDS = "date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) sc-status"
IIS = b"2024-05-17 10:05:03 10.0.0.1 GET /tin/ id=1 443 - 192.0.2.1 Mozilla/5.0+(Windows+NT+10.0) 200"
AT = ms("2024-05-17T10:05:03+00:00")
COMBINED_LINE = b'192.0.2.1 - - [17/May/2024:10:05:03 +0000] "GET /a HTTP/1.1" 200 1 "-" "Mozilla/5.0 (X11)"'
NGINX = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent '
    '"$http_referer" "$http_user_agent"'
)
RULES = Rules(1, "portal", site_with().settings, Options(), "d" * 64)


def test_w3c() -> None:
    """The fields are those that the file names, the time is UTC, a plus is a space."""
    found = parser_of(f"{W3C} {FIELDS}")(IIS)
    assert found == LoggedRequest("192.0.2.1", AT, "GET", "/tin/?id=1", 200, "Mozilla/5.0 (Windows NT 10.0)")
    shorter = parser_of(f"{W3C} date time cs-uri-stem c-ip")(b"2024-05-17 10:05:03 /a 2001:db8::1")
    assert shorter == LoggedRequest("2001:db8::1", AT, "GET", "/a", 0, None)
    for bad in (b"", b"#Fields: x", IIS[:-4], IIS.replace(b"2024", b"x"), IIS.replace(b" 200", b" x")):
        assert parser_of(f"{W3C} {FIELDS}")(bad) is None
    with pytest.raises(ImportFileError, match="#Fields has to have date, time, cs-uri-stem"):
        parser_of(f"{W3C} date c-ip")


def test_template_of_nginx_is_the_combined_format() -> None:
    """What nginx calls `combined`, spelt as a template, gives the same."""
    assert parser_of(NGINX)(COMBINED_LINE) == parser_of(COMBINED)(COMBINED_LINE) == parse_line(COMBINED_LINE)


@pytest.mark.parametrize(
    ("template", "line", "expected"),
    [
        (
            "$msec $remote_addr $request_method $uri?$args $status",
            b"1715940303.250 h POST /a?b=1 201",
            LoggedRequest("h", AT + 250, "POST", "/a?b=1", 201, None),
        ),
        (
            "${http_x_forwarded_for}|$remote_addr|$time_iso8601|$request_uri",
            b"192.0.2.7, 10.0.0.1|x|2024-05-17T17:05:03+07:00|/a",
            LoggedRequest("192.0.2.7", AT, "GET", "/a", 200, None),
        ),
    ],
)
def test_templates(template: str, line: bytes, expected: LoggedRequest) -> None:
    """Names are those of nginx; behind a proxy the first address of the chain is the client."""
    assert parser_of(template)(line) == expected
    assert parser_of(template)(b"something else") is None


def test_template_that_cannot_count_is_refused() -> None:
    """A format without client, time or request says what is missing."""
    with pytest.raises(ImportFileError, match="lacks a client"):
        parser_of("$status")


@given(st.binary(max_size=200), st.sampled_from([f"{W3C} {FIELDS}", W3C, NGINX, "$msec|$remote_addr|$uri"]))
def test_any_line_is_read_or_malformed(line: bytes, format_: str) -> None:
    """No line makes a reader fail."""
    found = parser_of(format_)(line)
    assert found is None or (found.at_ms >= 0 and 0 <= found.status <= 999)


LINES = st.lists(
    st.sampled_from([COMBINED_LINE, IIS, b"#Fields: " + FIELDS.encode(), b"#Version: 1.0", b"junk", b""]),
    max_size=30,
)


def lists(lines: list[bytes], size: int) -> list[list[bytes]]:
    return [lines[first : first + size] for first in range(0, len(lines), size)]


@given(LINES, st.integers(1, 7))
def test_chunks_hold_all_lines_in_order(lines: list[bytes], size: int) -> None:
    """However they are cut, all lines are there under their numbers, and mean the same."""
    for format_ in (AUTO, COMBINED, f"{W3C} {FIELDS}"):
        found = list(chunks(lists(lines, size), format_))
        assert [line for chunk in found for line in chunk.lines] == lines
        assert [chunk.first for chunk in found] == [
            1 + sum(len(before.lines) for before in found[:number]) for number in range(len(found))
        ]
        whole = [hit for chunk in chunks([lines], format_) for hit in parse_chunk(RULES, chunk).hits]
        assert [hit for chunk in found for hit in parse_chunk(RULES, chunk).hits] == whole


async def test_processes_give_what_one_gives() -> None:
    """Two processes give the same, in the same order, as this one."""
    lines = [COMBINED_LINE.replace(b"/a", b"/%d" % number) for number in range(500)] + [b"junk", IIS]
    plan = Plan(site_with(), Options(until=date(2024, 5, 17)), "d" * 64)
    serial = [parsed async for parsed in parse_all(chunks(lists(lines, 50), AUTO), plan)]
    both = [parsed async for parsed in parse_all(chunks(lists(lines, 50), AUTO), plan, jobs=2)]
    assert both == serial
    assert sum(len(parsed.hits) for parsed in serial) == 500
    assert [example.number for parsed in serial for example in parsed.examples] == [501, 502]


def test_files_are_in_the_order_of_their_times(tmp_path: Path) -> None:
    """Names tell nothing; a file without any request comes last."""
    paths = [tmp_path / name for name in "abc"]
    paths[0].write_bytes(b"junk\n")
    paths[1].write_bytes(COMBINED_LINE + b"\n")
    paths[2].write_bytes(COMBINED_LINE.replace(b"2024", b"2023") + b"\n")
    assert in_time_order(paths, AUTO) == [paths[2], paths[1], paths[0]]
