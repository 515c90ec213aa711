"""Reading one line of an access log."""

from datetime import UTC, datetime, timedelta, timezone
from time import process_time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from counter.imports.logs import MAX_LINE_BYTES, LoggedRequest, parse_line, parse_time

AT_MS = 1_431_857_103_000  # 17 May 2015, 10:05:03 UTC
COMMON = b'192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 12'
COMBINED = COMMON + b' "https://a.example/" "Mozilla/5.0 (X11)"'

instants = st.datetimes(
    datetime(1970, 1, 2), datetime(9998, 12, 30), timezones=st.just(UTC)  # noqa: DTZ001 - naive bounds are asked for
)  # fmt: skip
offsets = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
words = st.text(st.characters(exclude_categories=["Z", "Cc", "Cs"], exclude_characters="[ "), min_size=1)
texts = st.text(st.characters(exclude_categories=["Cs"])).filter(lambda text: text != "-")


def escape(text: str) -> str:
    """Spell a text as Apache does, but for characters that need no escape."""
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return "".join(f"\\x{ord(c):02x}" if ord(c) < 32 else c for c in quoted)


@settings(deadline=None)
@given(words, st.tuples(instants, offsets), words, st.integers(100, 599), texts)
def test_combined_line_reads_back(
    client: str, when: tuple[datetime, timezone], target: str, status: int, agent: str
) -> None:
    """What a server wrote is what is read, in any zone, whatever quotes and backslashes are in it."""
    at, zone = when
    line = (
        f"{client} - frank [{at.astimezone(zone):%d/%b/%Y:%H:%M:%S %z}] "
        f'"GET {escape(target)} HTTP/1.1" {status} 5 "{escape(agent)}" "{escape(agent)}"'
    )
    # A float of a late year rounds microseconds up to the next second.
    second = int(at.replace(microsecond=0).timestamp())
    expected = LoggedRequest(client, second * 1000, "GET", target, status, agent)
    assert parse_line(line.encode()) == expected


@settings(deadline=None)
@given(st.binary())
@example(b"\xff" * 100)
@example(COMBINED.replace(b"X11", b"\xfe\\"))
def test_any_bytes_are_read_or_malformed(line: bytes) -> None:
    """Nothing in a log can make the reader fail."""
    assert parse_line(line) is None or isinstance(parse_line(line), LoggedRequest)


@settings(deadline=None)
@given(st.integers(0, len(COMBINED)), st.binary(min_size=1, max_size=3))
def test_damage_anywhere_is_read_or_malformed(place: int, damage: bytes) -> None:
    """A line with foreign bytes in its midst is read or malformed, and may be cut short anywhere."""
    for line in (COMBINED[:place] + damage + COMBINED[place:], COMBINED[:place]):
        found = parse_line(line)
        assert found is None or found.client.startswith("1") or place == 0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("17/May/2015:10:05:03 +0000", AT_MS // 1000),
        ("17/May/2015:17:05:03 +0700", AT_MS // 1000),
        ("17/May/2015:13:35:03 +0330", AT_MS // 1000),
        ("16/May/2015:23:05:03 -1100", AT_MS // 1000),
        ("01/Jan/1970:00:00:00 +0000", 0),
        ("29/Feb/2016:23:59:60 +0000", 1_456_790_400),
    ],
)
def test_time_has_its_own_offset(text: str, seconds: int) -> None:
    """An instant is the same wherever the server stood; a leap second is the second after it."""
    assert parse_time(text) == seconds * 1000


@pytest.mark.parametrize(
    "text",
    [
        "29/Feb/2015:10:05:03 +0000",
        "31/Apr/2015:10:05:03 +0000",
        "00/May/2015:10:05:03 +0000",
        "17/Mai/2015:10:05:03 +0000",
        "17/May/2015:24:05:03 +0000",
        "17/May/2015:10:65:03 +0000",
        "17/May/2015:10:05:03 +2400",
        "17/May/0000:10:05:03 +0000",
        "17/May/9999:10:05:03 +0000",
        "01/Jan/1970:00:00:00 +0700",
        "١٧/May/2015:10:05:03 +0000",
        "2015-05-17T10:05:03 +00:00",
    ],
)
def test_what_is_no_time_is_none(text: str) -> None:
    """A day that does not exist, an hour 25, a time before 1970: none."""
    assert parse_time(text) is None


@pytest.mark.parametrize(
    ("line", "agent"),
    [
        (COMMON, None),
        (COMMON + b" 0.004", None),
        (COMBINED, "Mozilla/5.0 (X11)"),
        (COMBINED + b' "10.0.0.1" rt=0.1', "Mozilla/5.0 (X11)"),
        (COMBINED[:-1], "Mozilla/5.0 (X11)"),
        (COMBINED[:-4], "Mozilla/5.0 (X"),
        (COMMON + b' "-" "-"', ""),
        (COMMON + b' "-" ""', ""),
        (COMMON + b' "https://a.exa', None),
        (COMMON + b' "-" "a \\"b\\" c\\\\"', 'a "b" c\\'),
        (COMMON + b' "-" "a \\x22b\\x22"', 'a "b"'),
        (COMMON + b' "-" "a\\', "a\\"),
    ],
)
def test_agent_of_each_format(line: bytes, agent: str | None) -> None:
    """The common format tells no agent, a dash is an empty one, and a cut one is taken as far as it goes."""
    assert parse_line(line) == LoggedRequest("192.0.2.1", AT_MS, "GET", "/a", 200, agent)


@pytest.mark.parametrize(
    ("request_text", "method", "target"),
    [
        (b"GET / HTTP/1.0", "GET", "/"),
        (b"GET /a b HTTP/1.1", "GET", "/a b"),
        (b"GET /old", "GET", "/old"),
        (b"-", "-", ""),
        (b"", "", ""),
        (b"\\x16\\x03\\x01", "\x16\x03\x01", ""),
        (b"GET /tin-t\xe1\xbb\xa9c HTTP/1.1", "GET", "/tin-tức"),
        (b"GET /tin-t\\xE1\\xBB\\xA9c HTTP/1.1", "GET", "/tin-tức"),
        (b"GET /\xff HTTP/1.1", "GET", "/\udcff"),
        (b'GET /\\"x\\" HTTP/1.1', "GET", '/"x"'),
    ],
)
def test_request_of_each_shape(request_text: bytes, method: str, target: str) -> None:
    """What a client really sent is found again, escaped or raw."""
    found = parse_line(COMBINED.replace(b"GET /a HTTP/1.1", request_text))
    assert found is not None
    assert (found.method, found.target) == (method, target)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"#Fields: date time",
        b"192.0.2.1 - -",
        COMMON.replace(b" 200 12", b""),
        COMMON.replace(b" 200 12", b" abc 12"),
        COMMON.replace(b"May", b"Foo"),
        b'192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP',
    ],
)
def test_what_is_no_line_of_an_access_log_is_malformed(line: bytes) -> None:
    """A line without client, time, request and status is malformed."""
    assert parse_line(line) is None


def test_other_shapes_of_client_user_and_status() -> None:
    """Host names, IPv6, users with a space, and a dash for a status are what servers write."""
    line = COMBINED.replace(b"192.0.2.1 - -", b"host.example - Nguyen Van A").replace(b" 200 12", b" - -")
    assert parse_line(line) == LoggedRequest("host.example", AT_MS, "GET", "/a", 0, "Mozilla/5.0 (X11)")
    found = parse_line(COMBINED.replace(b"192.0.2.1", b"2001:db8::1"))
    assert found is not None
    assert found.client == "2001:db8::1"


@pytest.mark.parametrize(
    "hostile",
    [
        b"[" * MAX_LINE_BYTES,
        b"a - - " + b"[17/May/2015:10:05:03 +0000] " * 3000,
        b'a - - [17/May/2015:10:05:03 +0000] "' + b"\\" * MAX_LINE_BYTES,
        b'a - - [17/May/2015:10:05:03 +0000] "' + b'\\"' * 30_000 + b" x",
        COMMON + b' "' + b'" "' * 20_000,
        COMMON + b' "-" "' + b"x\\" * 30_000,
        b"a " * 30_000 + b"[",
        b'"' * 10_000_000,
    ],
)
def test_hostile_line_takes_no_longer_than_a_long_one(hostile: bytes) -> None:
    """No line can keep the reader busy: it looks at each character a few times at most."""
    began = process_time()
    parse_line(hostile)
    assert process_time() - began < 0.1
