"""Where hits wait on disk while Redis is away: appended, fsynced, and replayed in order."""

import asyncio
import os
from collections import deque
from collections.abc import Sequence
from fcntl import LOCK_EX
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from counter.buckets.batch import Hit
from counter.buckets.segment import Record, SpooledBatch, encode_record
from counter.buckets.segment_file import SUFFIX, SegmentFile, locked, remove_unfinished
from counter.errors import ConfigError, SpoolDamagedError, SpoolFullError
from counter.metrics import SpoolMetrics
from counter.steps import Passing, Step, go_on

SEGMENT_BYTES: Final = 4 * 1024 * 1024

log = structlog.get_logger(__name__)


def spool_folder(root: Path, lane: str) -> Path:
    """Return the folder of a lane's segments, made if it is not there.

    Raises:
        ConfigError: it cannot be made or written.
    """
    folder = root / f"lane-{lane}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"the spool {folder} cannot be made: {error.strerror}; set COUNTER_SPOOL_DIR"
        ) from error
    if not os.access(folder, os.W_OK):
        raise ConfigError(f"the spool {folder} cannot be written; set COUNTER_SPOOL_DIR")
    return folder


class Waiting(NamedTuple):
    """The oldest batch of the spool, and where it stands."""

    batch: SpooledBatch
    segment: SegmentFile
    end: int

    @property
    def sent_in(self) -> str:
        """The generation in which it was sent first, by whoever it was; empty if it never was."""
        return self.batch.sent_in or self.segment.sent_in


class Spool:
    """The segments of one lane that this process owns, oldest first.

    Args:
        folder: of the lane, shared by all workers of this host; None keeps no spool.
        owner: unlike any other process's; part of the names of its segments.
        passing: is told each step.
        max_bytes: that all segments in the folder may have together.
    """

    def __init__(
        self,
        folder: Path | None,
        owner: str,
        metrics: SpoolMetrics,
        passing: Passing = go_on,
        *,
        max_bytes: int,
    ) -> None:
        self._folder = folder
        self._owner = owner
        self._metrics = metrics
        self._passing = passing
        self._max_bytes = max_bytes
        self._segments: list[SegmentFile] = []
        self._appending: SegmentFile | None = None
        self._made = 0
        self._read: deque[Record] = deque()
        # A segment must not be finished while a record is on its way into it.
        self._lock = asyncio.Lock()

    async def append(self, worker: str, sequence: int, hits: Sequence[Hit], sent_in: str = "") -> None:
        """Keep a batch; on return the disk has it.

        Args:
            worker: whose batch it is.
            sequence: its number.
            hits: of the batch.
            sent_in: the generation in which it was sent already, empty if it was not.

        Raises:
            SpoolFullError: the disk cannot take it, or the spool is as large as it may be.
        """
        if self._folder is None:
            raise SpoolFullError("there is no spool")
        record = encode_record(worker, sequence, hits, sent_in)
        try:
            with self._metrics.append_seconds.time():
                async with self._lock:
                    await asyncio.to_thread(self._append, self._folder, record)
        except OSError as error:
            log.warning("spool cannot be written", reason=str(error))
            raise SpoolFullError(f"the spool cannot be written: {error.strerror}") from error
        self._passing(Step.SEGMENT_SYNCED)
        self._metrics.spooled.inc(len(hits))

    async def take_over(self) -> bool:
        """Adopt the segments whose owners are gone; tell whether there are any."""
        if self._folder is None:
            return False
        async with self._lock:
            found = await asyncio.to_thread(self._take_over, self._folder)
            # They are older than ours, but for the one that is being replayed already.
            first = 1 if self._read else 0
            self._segments[first:first] = found
        return bool(found)

    async def oldest(self) -> Waiting | None:
        """Return the batch that is to be replayed first, None if none waits."""
        while self._read or self._segments:
            if not self._read:
                async with self._lock:
                    await asyncio.to_thread(self._load, self._segments[0])
                continue
            record, segment = self._read[0], self._segments[0]
            if record.batch is not None:
                return Waiting(record.batch, segment, record.end)
            log.error("spooled record damaged", segment=segment.path.name)
            self._metrics.dropped.labels("damaged").inc()
            self._read.popleft()
            segment.advance(record.end)
        return None

    def done(self, waiting: Waiting) -> None:
        """Note that the oldest batch was counted."""
        self._read.popleft()
        waiting.segment.advance(waiting.end)
        self._passing(Step.REPLAY_NOTED)

    def close(self) -> None:
        """Give up all segments; what is left of them is replayed by whoever comes next."""
        for segment in self._segments:
            segment.close()
        self._segments.clear()

    def oldest_ms(self) -> int | None:
        """Return when the hit came that has waited longest, None if none waits."""
        batches = (record.batch for record in self._read if record.batch and record.batch.hits)
        oldest = next(batches, None)
        return oldest.hits[0].at_ms if oldest else None

    def waiting_bytes(self) -> int:
        """Return how much is still to be replayed by this process."""
        return sum(segment.size - segment.replayed for segment in self._segments)

    def _append(self, folder: Path, record: bytes) -> None:
        if sum(file.stat().st_size for file in folder.glob(f"*{SUFFIX}")) + len(record) > self._max_bytes:
            raise SpoolFullError("the spool is full")
        if self._appending is None or self._appending.size >= SEGMENT_BYTES:
            self._made += 1
            self._appending = SegmentFile.create(folder, f"{self._owner}-{self._made:06d}", self._passing)
            self._segments.append(self._appending)
        self._appending.append(record)

    def _take_over(self, folder: Path) -> list[SegmentFile]:
        remove_unfinished(folder)
        found = []
        with locked(folder, LOCK_EX):
            each = groupby(sorted(folder.glob(f"*{SUFFIX}")), lambda path: path.stem.rpartition("-")[0])
            for paths in sorted((list(paths) for _owner, paths in each), key=_made_ns):
                found += self._take_all(paths)
        return found

    def _take_all(self, paths: list[Path]) -> list[SegmentFile]:
        """Take what one process has left, in the order of its making, all of it or nothing.

        Its tokens must reach Redis in order, so it needs one heir. While some of it is still locked, whoever
        had it is on the way out.
        """
        found: list[SegmentFile] = []
        for path in paths:
            try:
                segment = SegmentFile.take_over(path, self._passing)
            except SpoolDamagedError as error:
                self._set_aside(path, error)
                continue
            if segment is not None:
                found.append(segment)
            elif path.exists():
                for each in found:
                    each.close()
                return []
        for _segment in found:
            self._passing(Step.SEGMENT_TAKEN_OVER)
        return found

    def _load(self, segment: SegmentFile) -> None:
        """Read what is left of a segment, or finish it."""
        try:
            records, torn = segment.read()
        except OSError as error:
            self._set_aside(segment.path, error)
            self._segments.remove(segment)
            segment.close()
            return
        self._read.extend(records)
        if records:
            return
        if torn:
            log.warning("spool segment ends in a torn record", segment=segment.path.name)
            self._metrics.dropped.labels("torn").inc()
        self._segments.remove(segment)
        if segment is self._appending:
            self._appending = None
        segment.remove()
        self._passing(Step.SEGMENT_REMOVED)

    def _set_aside(self, path: Path, error: Exception) -> None:
        """Put an unreadable segment out of the way of the others, for somebody to look at."""
        log.error("spool segment set aside", segment=path.name, reason=str(error))
        self._metrics.dropped.labels("unreadable").inc()
        path.rename(path.with_suffix(".unreadable"))


def _made_ns(paths: list[Path]) -> int:
    """Return when the first of some files was changed last, 0 if its owner has removed it meanwhile."""
    try:
        return paths[0].stat().st_mtime_ns
    except FileNotFoundError:
        return 0
