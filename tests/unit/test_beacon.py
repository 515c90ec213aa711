"""What a beacon says: read exactly, or refused as invalid input, whatever the bytes."""

import json
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from counter.errors import InvalidInputError
from counter.hits.beacon import (
    MAX_BODY_BYTES,
    HeartbeatBeacon,
    HitBeacon,
    check_site_key,
    parse_heartbeat,
    parse_hit,
)
from counter.sites.model import KEY_PATTERN

keys = st.from_regex(KEY_PATTERN, fullmatch=True)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
Parse = Callable[[bytes], HitBeacon | HeartbeatBeacon]
both = pytest.mark.parametrize("parse", [parse_hit, parse_heartbeat])


def assert_refused(parse: Parse, body: bytes) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse(body)
    assert caught.value.status == 400


@given(
    key=keys,
    path=texts,
    extra=st.dictionaries(st.text(max_size=8).filter(lambda name: name != "token"), values, max_size=3),
    escaped=st.booleans(),
)
def test_beacon_reads_back(key, path, extra, escaped):
    """A beacon is read as it was sent, escaped or not, and what it says besides is ignored."""
    body = json.dumps(extra | {"site": key, "path": path}, ensure_ascii=escaped).encode(
        "utf-8", "surrogatepass"
    )
    assert parse_hit(body) == HitBeacon(site=key, path=path)
    assert parse_heartbeat(body) == HeartbeatBeacon(site=key)


@both
@given(body=st.binary(max_size=200))
@example(body=b"")
@example(body=b"\xff\xfe")
@example(body=b'{"site":"demo","path":"/"')
@example(body=b'\xef\xbb\xbf{"site":"demo","path":"/"}')
def test_any_bytes(parse, body):
    """Whatever the bytes are, they are a beacon or invalid input, and never another error."""
    try:
        beacon = parse(body)
    except InvalidInputError:
        return
    assert KEY_PATTERN.fullmatch(beacon.site)


@both
@given(value=values)
def test_any_json(parse, value):
    """Whatever the JSON is, it is a beacon or invalid input, and never another error."""
    for body in (value, {"site": value, "path": "/"}, {"site": "demo", "path": value}):
        try:
            beacon = parse(json.dumps(body).encode())
        except InvalidInputError:
            continue
        assert beacon.site == body["site"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"null",
        b"[]",
        b'["demo","/"]',
        b'"demo"',
        b'{"site":"demo"}',
        b'{"path":"/"}',
        b'{"site":1,"path":"/"}',
        b'{"site":["demo"],"path":"/"}',
        b'{"site":"demo","path":null}',
        b'{"site":"demo","path":true}',
        b'{"site":"demo","path":{"__proto__":{}}}',
        b'{"site":"demo","path":1e400}',
        b'{"site":"demo","path":"/"}{}',
        b"{'site':'demo','path':'/'}",
        b"site=demo&path=/",
        b'{"site":"demo","path":"/\0"}',
        b'{"site":"demo","path":"/\\ud800"}',
        b'{"site":"demo","path":"/\\ud800\\ud800"}',
        b'{"site":"demo","path":"/\\udc00"}',
        b'{"site":"demo","path":"/\xed\xa0\x80"}',
        b'{"site":"demo","path":"/\xff"}',
        '{"site":"demo","path":"/"}'.encode("utf-16"),
        b'{"site":"demo","path":"/","site":"DEMO"}',
    ],
)
def test_what_is_no_hit(body):
    """Broken JSON, wrong types, bytes that are no UTF-8 and lone surrogates are invalid input."""
    assert_refused(parse_hit, body)


@both
@pytest.mark.parametrize(
    "opening", [b"[", b'{"a":', b'{"site":[', b'{"site":"demo","path":[', b'{"x":[[', b'[{"a":']
)
def test_deep_nesting(parse, opening):
    """A body that nests as deep as its size lets it is invalid input, not a broken request."""
    depth = MAX_BODY_BYTES // len(opening)
    assert_refused(parse, opening * depth)
    assert_refused(parse, b'{"site":"demo","path":"/","x":' + b"[" * 2000 + b"]" * 2000 + b"}")


@both
def test_huge_numbers(parse):
    """A number that no machine holds neither breaks nor stops the parser."""
    beacon = b'{"site":"demo","path":"/","a":%b,"b":1e999999,"c":-%b.5}' % (b"9" * 1900, b"9" * 1900)
    assert parse(beacon).site == "demo"
    assert_refused(parse, b'{"site":%b,"path":"/"}' % (b"9" * 4000))


def test_last_of_duplicates_counts():
    """Of a name given twice the last value counts, and it is the one that is checked."""
    assert parse_hit(b'{"site":"a","path":"/a","site":"b","path":"/b"}') == HitBeacon(site="b", path="/b")
    assert_refused(parse_hit, b'{"site":"a","site":"A B","path":"/"}')


@pytest.mark.parametrize(
    "key",
    [
        "",
        "A",
        "a b",
        "a\n",
        "\n",
        "'; DROP TABLE sites",
        "a\0",
        "-a",
        ".a",
        "á",
        "a" * 64,
        "a:b",
        "{0}",
        "a/b",
        "*",
        "\ud800",
    ],
)
def test_what_is_no_site_key(key):
    """What can be no site's key is invalid input before anybody looks it up."""
    with pytest.raises(InvalidInputError):
        check_site_key(key)
    with pytest.raises(InvalidInputError):
        parse_heartbeat(json.dumps({"site": key}).encode())


@given(key=keys)
def test_every_site_key_passes(key):
    """Every key that a site may have may come with a beacon."""
    assert check_site_key(key) == key
