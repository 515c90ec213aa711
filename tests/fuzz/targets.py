"""What is fuzzed: each target takes any bytes, and fails if a parser does anything but parse or refuse. Pure."""

import json
from collections.abc import Callable, Mapping
from datetime import date
from ipaddress import ip_network
from itertools import islice
from typing import Final

from counter.buckets.batch import Hit, Kind
from counter.buckets.segment import HEADER, MAGIC, encode_record, read_records
from counter.errors import ImportFileError, InvalidInputError
from counter.hits.beacon import MAX_BODY_BYTES, parse_heartbeat, parse_hit
from counter.hits.bots import is_bot
from counter.hits.client import MAX_HOPS, client_address, forwarded_hops
from counter.hits.limits import prefixes_of
from counter.hits.signing import is_signed
from counter.hits.visitors import network_of, visitor_id
from counter.imports.formats import parser_of
from counter.imports.history import History
from counter.imports.logs import MAX_LINE_BYTES, LoggedRequest, parse_line
from counter.imports.records import Bad
from counter.imports.sources.exports import Generic, GoatCounter, Matomo, Plausible, Umami
from counter.imports.sources.mysql import read_dump
from counter.imports.sources.nukeviet import NukeViet
from counter.imports.sources.redis_keys import hashes, read_entries, read_sitemap, vercount
from counter.imports.sources.tables import Source, Tables, read_csv, read_source
from counter.sites.model import KEY_PATTERN, Site, SiteSettings, calendar_of
from counter.sites.paths import MAX_PATH_BYTES, normalise

TRUSTED: Final = tuple(map(ip_network, ("10.0.0.0/8", "127.0.0.0/8", "fc00::/7")))
W3C_FIELDS: Final = "date time cs-method cs-uri-stem cs-uri-query c-ip cs(User-Agent) sc-status"
TODAY: Final = date(2026, 6, 10)
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
        prefixes_of(address)
        assert len(visitor_id(b"salt", "portal", network_of(address), text[:512])) == 8
        assert client_address("203.0.113.9", hops, TRUSTED) == bytes([203, 0, 113, 9])
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


def log_formats(data: bytes) -> None:
    """A line of IIS, or of a format of one's own, is a request, or it is none."""
    line = data[: 2 * MAX_LINE_BYTES]
    for format_ in (
        f"w3c {W3C_FIELDS}",
        '$remote_addr [$time_iso8601] "$request" $status "$http_user_agent"',
    ):
        request = parser_of(format_)(line)
        if request is not None:
            assert 0 <= request.status <= 999
            SITE.span_of(request.at_ms)


def mysql_dump(data: bytes) -> None:
    """A dump gives rows that fit their columns, or tells the line of what does not."""
    text = data[:65_536].decode("utf-8", "surrogateescape")
    pieces = [text[at : at + 11] for at in range(0, len(text), 11)]
    for found in islice(read_dump(pieces, "fuzz.sql", lambda table: table != "other"), 5000):
        assert 1 <= found.line <= text.count("\n") + 1
        assert isinstance(found, Bad) or all(isinstance(name, str) for name in found.values)


def import_files(data: bytes) -> None:
    """Whatever a CSV or keys of Redis hold becomes records that add up, or bad rows."""
    text = data[:65_536].decode("utf-8", "surrogateescape")
    sources: list[Source] = [Generic(), Matomo(), Plausible(), GoatCounter(SITE), Umami(SITE), NukeViet(SITE)]
    for source in sources:
        tables, history = Tables(source.kinds), History()
        rows = read_csv(text.splitlines(keepends=True), "fuzz.csv")
        try:
            history.take(read_source(source, rows, tables, SITE, TODAY))
        except ImportFileError:
            continue
        for row in history.settle(TODAY).rows:
            assert sum(row.hour_views) == row.counts.views >= sum(row.pages.values())
            assert sum(row.hour_visits) == row.counts.visits <= row.counts.views
    assert list(vercount(read_entries(text, "fuzz"), "portal.example", "fuzz"))
    hashes(read_sitemap(text), "portal.example")


TARGETS: Final[Mapping[str, Callable[[bytes], None]]] = {
    target.__name__: target
    for target in (
        hit_body,
        address_header,
        log_line,
        log_formats,
        mysql_dump,
        import_files,
        spool_segment,
    )
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
    "log_formats": [
        b"2024-05-17 10:05:03 GET /tin/ id=1 192.0.2.1 Mozilla/5.0+(X11) 200",
        b'192.0.2.1 [2024-05-17T10:05:03+07:00] "GET /a HTTP/2.0" 200 "Mozilla/5.0 \\x22"',
    ],
    "mysql_dump": [
        b"CREATE TABLE `t` (`a` int, b text, KEY k (a));\nINSERT INTO `t` VALUES (1,'x\\'y'),(NULL,_utf8'z;');",
        b"/*!40000 x */; -- c\nREPLACE INTO db.t (`a`) VALUE (-1e3) ON DUPLICATE KEY UPDATE a=1;",
    ],
    "import_files": [
        b"date,hour,path,views,visits,visitors,bots\n2025-01-01,,,10,5,3,1\n,,/a,7,,,\n,,,100,,,\n",
        b"c_type,c_val,last_update,c_count\ntotal,hits,1611022213,249\nday,19,1611022213,2\n",
        b"2Path,Event,Session,Bot,Date\n/,false,s,0,2026-05-08T16:30:00Z\n",
        b'{"pv:page:portal.example:/a": 5, "pv:site:portal.example": "7"}',
    ],
    "spool_segment": [
        encode_record("worker", 1, [Hit(SITE, 1, Kind.VIEW, "/", b"1" * 8, b"2" * 8)], "generation"),
        encode_record("worker", 1, [Hit(SITE, 1, Kind.BOT, "", b"", b"")])[:-3] + b"\xa5HIT",
    ],
}
