r"""The form of a spool's file: records that say where they begin and whether they are whole. Pure.

    file    = magic "CNTSPL02", how far it was replayed (bytes, u64), the generation in which the record
              there was sent (32 bytes, zeros if it was not), then records
    record  = mark "\xa5HIT", length of the payload (u32), CRC-32 of the payload (u32), payload
    payload = msgpack {worker, sequence, hits, sent_in};
              a hit is {site, at_ms, kind, path, visitor, visitor_before}

Numbers are little-endian. There is no address and no user agent in it.
"""

from collections.abc import Callable, Iterator, Sequence
from struct import Struct
from typing import Final, NamedTuple
from zlib import crc32

import msgspec

from counter.buckets.batch import Hit, Kind
from counter.sites.model import Site

MAGIC: Final = b"CNTSPL02"
HEADER: Final = Struct("<8sQ32s")
PROGRESS_AT: Final = 8
PROGRESS: Final = Struct("<Q32s")
MARK: Final = b"\xa5HIT"
RECORD_HEADER: Final = Struct("<4sII")
MAX_PAYLOAD_BYTES: Final = 16 * 1024 * 1024


class SpooledHit(NamedTuple):
    """A hit as it is written: the site by its key, as its settings may change meanwhile."""

    site: str
    at_ms: int
    kind: str
    path: str
    visitor: bytes
    visitor_before: bytes


class SpooledBatch(NamedTuple):
    """A batch with the token under which it counts once.

    Attributes:
        sent_in: the generation in which it was sent before it was spooled, empty if it was not.
    """

    worker: str
    sequence: int
    hits: list[SpooledHit]
    sent_in: str


class Record(NamedTuple):
    """A piece of a segment: a batch, or None where bytes are damaged, and where it ends."""

    batch: SpooledBatch | None
    end: int


def encode_record(worker: str, sequence: int, hits: Sequence[Hit], sent_in: str = "") -> bytes:
    """Return the record of a batch, without its heartbeats: they would be too old when it is replayed."""
    spooled = [
        SpooledHit(hit.site.key, hit.at_ms, hit.kind.value, hit.path, hit.visitor, hit.visitor_before)
        for hit in hits
        if hit.kind is not Kind.HEARTBEAT
    ]
    payload = msgspec.msgpack.encode(SpooledBatch(worker, sequence, spooled, sent_in))
    return RECORD_HEADER.pack(MARK, len(payload), crc32(payload)) + payload


def read_records(data: bytes, start: int = HEADER.size) -> Iterator[Record]:
    """Yield the whole records of a segment from `start` on, and a Record of None for each damaged stretch.

    A record that the file ends within is torn: it was never acknowledged, so nothing is yielded for it.
    """
    at = start
    while at < len(data):
        record = _read_record(data, at)
        if record is not None:
            at = record.end
            yield record
            continue
        following = data.find(MARK, at + 1)
        while following >= 0 and _read_record(data, following) is None:
            following = data.find(MARK, following + 1)
        if following < 0:
            return
        at = following
        yield Record(None, at)


def is_torn(data: bytes, end: int) -> bool:
    """Tell whether bytes are left behind the last whole record of a segment."""
    return end < len(data)


def to_hits(batch: SpooledBatch, find_site: Callable[[str], Site | None]) -> list[Hit]:
    """Return the hits of a spooled batch whose sites are still registered."""
    found = ((hit, find_site(hit.site)) for hit in batch.hits)
    return [
        Hit(site, hit.at_ms, Kind(hit.kind), hit.path, hit.visitor, hit.visitor_before)
        for hit, site in found
        if site is not None
    ]


def _read_record(data: bytes, at: int) -> Record | None:
    begin = at + RECORD_HEADER.size
    if begin > len(data):
        return None
    mark, length, checksum = RECORD_HEADER.unpack_from(data, at)
    end = begin + length
    if mark != MARK or length > MAX_PAYLOAD_BYTES or end > len(data):
        return None
    payload = data[begin:end]
    if crc32(payload) != checksum:
        return None
    try:
        return Record(msgspec.msgpack.decode(payload, type=SpooledBatch), end)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
