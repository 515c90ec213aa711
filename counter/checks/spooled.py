"""What waits in the spool of this host. It opens the files as they are and locks none of them."""

from pathlib import Path
from typing import Final, NamedTuple

from counter.buckets.segment import HEADER, MAGIC, Record, read_records
from counter.buckets.segment_file import SUFFIX
from counter.checks.findings import Problem, many

LANE_FOLDERS: Final = "lane-*"
ASIDE: Final = "*.unreadable"


class Segment(NamedTuple):
    """One file of the spool.

    Attributes:
        replayed: bytes from its beginning that Redis has counted.
        waiting_bytes, waiting_hits: what it has not.
        oldest_ms: when the first of the waiting hits came, None if none waits.
        fault: why it cannot be read whole, empty if it can.
    """

    name: str
    replayed: int
    waiting_bytes: int
    waiting_hits: int
    oldest_ms: int | None
    fault: str = ""


class SpoolReading(NamedTuple):
    """The spool of this host; `there` tells whether it has a folder, `aside` names what was given up."""

    there: bool
    segments: list[Segment]
    aside: list[str]


def read_spool(root: Path) -> SpoolReading:
    """Read all segments below a folder; this blocks.

    Raises:
        OSError: it may not be read.
    """
    if not root.is_dir():
        return SpoolReading(there=False, segments=[], aside=[])
    folders = sorted(root.glob(LANE_FOLDERS))
    files = [file for folder in folders for file in sorted(folder.iterdir())]
    segments = [_read(root, file) for file in files if file.suffix == SUFFIX]
    aside = [str(file.relative_to(root)) for file in files if file.match(ASIDE)]
    return SpoolReading(there=True, segments=[segment for segment in segments if segment], aside=aside)


def judge_spool(first: SpoolReading, later: SpoolReading, now_ms: int) -> list[Problem]:
    """Nothing is damaged or given up, and what waited at the first look is replayed by the later one.

    Args:
        first: read when the audit began.
        later: read after the spool had its time; `first` itself while Redis is away, when hits wait rightly.
        now_ms: of the later reading.
    """
    problems = [
        Problem(None, name, f"{name} was set aside as unreadable: the hits in it are not counted")
        for name in later.aside
    ]
    problems += [
        Problem(None, segment.name, f"{segment.name}: {segment.fault}")
        for segment in later.segments
        if segment.fault
    ]
    if later is not first:
        problems += [_stuck(segment, now_ms) for segment in stuck(first, later)]
    return problems


def stuck(first: SpoolReading, later: SpoolReading) -> list[Segment]:
    """Return the segments that waited at both readings, and of which nothing was replayed in between."""
    before = {segment.name: segment.replayed for segment in first.segments if segment.waiting_bytes}
    return [
        segment
        for segment in later.segments
        if segment.waiting_bytes and not segment.fault and before.get(segment.name) == segment.replayed
    ]


def describe(reading: SpoolReading, root: Path, now_ms: int) -> str:
    """Say what waits."""
    if not reading.there:
        return f"this host has none at {root.absolute()}"
    waiting = [segment for segment in reading.segments if segment.oldest_ms is not None]
    if not waiting:
        return f"nothing waits in {root.absolute()}"
    hits, size = sum(each.waiting_hits for each in waiting), sum(each.waiting_bytes for each in waiting)
    oldest_ms = min(each.oldest_ms for each in waiting if each.oldest_ms is not None)
    return (
        f"{many(hits, 'hit')} in {many(len(waiting), 'file')} ({size:,} bytes) wait, the oldest for "
        f"{max(0, now_ms - oldest_ms) // 1000:,} s; the totals rise when they are replayed"
    )


def _stuck(segment: Segment, now_ms: int) -> Problem:
    if segment.oldest_ms is None:
        detail = f"{segment.name}: its last {segment.waiting_bytes:,} bytes are no whole record"
        return Problem(None, segment.name, detail, {"bytes": segment.waiting_bytes})
    age = max(0, now_ms - segment.oldest_ms) // 1000
    return Problem(
        None,
        segment.name,
        f"{segment.name}: {segment.waiting_hits:,} hits wait for {age:,} s, and nobody replays them",
        {"hits": segment.waiting_hits, "bytes": segment.waiting_bytes, "age_seconds": age},
    )


def _read(root: Path, file: Path) -> Segment | None:
    """Read a segment, None if it was replayed meanwhile."""
    name = str(file.relative_to(root))
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        return None
    if len(data) < HEADER.size:
        return Segment(name, 0, len(data), 0, None, "it has no header")
    magic, replayed, _sent_in = HEADER.unpack_from(data)
    if magic != MAGIC or not HEADER.size <= replayed <= len(data):
        return Segment(name, 0, len(data), 0, None, "its header is damaged")
    records = list(read_records(data, replayed))
    times = [hit.at_ms for record in records if record.batch for hit in record.batch.hits]
    damaged = _damaged(records)
    fault = f"damaged in {many(damaged, 'place')}: the hits there are lost" if damaged else ""
    return Segment(name, replayed, len(data) - replayed, len(times), min(times, default=None), fault)


def _damaged(records: list[Record]) -> int:
    return sum(record.batch is None for record in records)
