"""What is fuzzed: each target takes any bytes, and fails if a parser does anything but parse or refuse. Pure."""

import json
from collections.abc import Callable, Mapping
from ipaddress import ip_network
from typing import Final

from counter.buckets.batch import Hit, Kind
from counter.buckets.segment import HEADER, MAGIC, encode_record, read_records
from counter.errors import InvalidInputError
from counter.hits.beacon import MAX_BODY_BYTES, parse_heartbeat, parse_hit
from counter.hits.bots import is_bot
from counter.hits.client import MAX_HOPS, client_address, forwarded_hops
from counter.hits.limits import prefixes
from counter.hits.signing import is_signed
from counter.hits.visitors import network_of, visitor_id
from counter.imports.logs import MAX_LINE_BYTES, LoggedRequest, parse_line
from counter.sites.model import KEY_PATTERN, Site, SiteSettings, calendar_of
from counter.sites.paths import MAX_PATH_BYTES, normalise

TRUSTED: Final = tuple(map(ip_network, ("10.0.0.0/8", "127.0.0.0/8", "fc00::/7")))
SITE: Final = Site(1, "portal", True, SiteSettings(), calendar_of(SiteSettings()))  # noqa: FBT003 - enabled


def hit_body(data: bytes) -> None:
    """A beacon's body is a hit whose site may exist and whose path is fit to store, or it is refused."""
    body = data[:MAX_BODY_BYTES]
    try:
        beacon = parse_hit(body)
        path = normalise(beacon.path, ("id", "trang"))
    except InvalidInputError:
        return
    assert KEY_PATTERN.fullmatch(beacon.site)
    assert parse_heartbeat(body).site == beacon.site
    assert path.startswith("/")
    assert len(path.encode()) <= MAX_PATH_BYTES
    assert path.isprintable() or not any(ord(character) < 32 for character in path)
    assert normalise(path, ("id", "trang")) == path
    assert json.loads(json.dumps(path)) == path
    assert not is_signed(beacon.token, "secret", beacon.site, b"\1\2\3\4", 1_700_000_000)


def address_header(data: bytes) -> None:
    """A forwarding header names an address of which a visitor can be made, or none; a stranger's changes nothing."""
    text = data[:16_384].decode("utf-8", "surrogateescape")  # as aiohttp hands headers over
    values = text.split("\n")
    for header in ("X-Forwarded-For", "Forwarded", "X-Real-IP"):
        hops = forwarded_hops(header, values)
        assert len(hops) <= MAX_HOPS + 1
        address = client_address("10.1.2.3", hops, TRUSTED)
        assert address is not None
        prefixes(address)
        assert len(visitor_id(b"salt", "portal", network_of(address), text[:512])) == 8
        assert str(client_address("203.0.113.9", hops, TRUSTED)) == "203.0.113.9"
        client_address("", hops, TRUSTED)
    is_bot(text)


def log_line(data: bytes) -> None:
    """A line of an access log is a request, or it is none."""
    line = data[: 2 * MAX_LINE_BYTES]
    request = parse_line(line)
    if request is None:
        return
    assert isinstance(request, LoggedRequest)
    assert request.at_ms >= 0
    assert 0 <= request.status <= 999
    SITE.span_of(request.at_ms)
    try:
        normalise(request.target)
    except InvalidInputError:
        return


def spool_segment(data: bytes) -> None:
    """A segment holds whole records in order; what is damaged hides none behind it, and nothing is made up."""
    ends = [HEADER.size]
    for record in read_records(HEADER.pack(MAGIC, HEADER.size, b"") + data):
        assert ends[-1] < record.end <= HEADER.size + len(data)
        ends.append(record.end)
    whole = encode_record("worker", 7, [Hit(SITE, 1, Kind.VIEW, "/", b"1" * 8, b"")])
    found = [record.batch for record in read_records(data + whole, start=0) if record.batch]
    assert found
    assert found[-1].worker == "worker"
    assert found[-1].sequence == 7


TARGETS: Final[Mapping[str, Callable[[bytes], None]]] = {
    target.__name__: target for target in (hit_body, address_header, log_line, spool_segment)
}
SEEDS: Final[Mapping[str, list[bytes]]] = {
    "hit_body": [
        b'{"site":"portal","path":"/a/./b//?id=1&trang=%61#x","token":"6553f100.00"}',
        '{"site":"a-1","path":"https://x.vn/tin%20t\u1ee9c/index.html?id=%2F"}'.encode(),
        b'{"site":"p","path":"/\\ud83d\\ude00%ff%C3%A9/../"}',
    ],
    "address_header": [
        b"1.2.3.4, 10.0.0.1",
        b'for="[2001:db8::1]:80";proto=https, for=10.0.0.2\nfor=unknown',
        b"::ffff:1.2.3.4%eth0, [::1]:80",
        b"203.0.113.9:443",
    ],
    "log_line": [
        b'1.2.3.4 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 12 "-" "Mozilla/5.0 \\"x\\" \\xe1"',
        b'h - u [29/Feb/2024:23:59:60 -0330] "-" 408 -',
    ],
    "spool_segment": [
        encode_record("worker", 1, [Hit(SITE, 1, Kind.VIEW, "/", b"1" * 8, b"2" * 8)], "generation"),
        encode_record("worker", 1, [Hit(SITE, 1, Kind.BOT, "", b"", b"")])[:-3] + b"\xa5HIT",
    ],
}
