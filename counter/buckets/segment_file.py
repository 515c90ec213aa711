"""One file of the spool, locked by the process that owns it. Its calls block, so a thread makes them."""

import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, flock
from pathlib import Path
from typing import Self

from counter.buckets.segment import HEADER, MAGIC, PROGRESS, PROGRESS_AT, Record, is_torn, read_records
from counter.errors import SpoolDamagedError
from counter.steps import Passing, Step

SUFFIX = ".spool"
UNNAMED = ".new"


class SegmentFile:
    """An open segment.

    Attributes:
        size: bytes that are durable.
        replayed: bytes from the beginning that Redis has counted, or that are damaged.
        sent_in: the generation in which the record at `replayed` was sent, empty if it was not.
    """

    def __init__(  # noqa: PLR0917 - what the header says, and where it stands
        self, path: Path, descriptor: int, size: int, replayed: int, sent_in: str, passing: Passing
    ) -> None:
        self.path = path
        self.size = size
        self.replayed = replayed
        self.sent_in = sent_in
        self._descriptor = descriptor
        self._passing = passing

    @classmethod
    def create(cls, folder: Path, name: str, passing: Passing) -> Self:
        """Make a new segment; it gets its name once it is locked, so that nobody takes it for a leftover."""
        unnamed = folder / f"{name}{UNNAMED}"
        with locked(folder, LOCK_SH):
            descriptor = os.open(unnamed, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
            flock(descriptor, LOCK_EX | LOCK_NB)
        try:
            _write(descriptor, HEADER.pack(MAGIC, HEADER.size, b""), 0)
            os.fsync(descriptor)
            passing(Step.SEGMENT_MADE)
            path = unnamed.rename(folder / f"{name}{SUFFIX}")
            _sync_folder(folder)
        except OSError:
            os.close(descriptor)
            unnamed.unlink(missing_ok=True)
            raise
        return cls(path, descriptor, HEADER.size, HEADER.size, "", passing)

    @classmethod
    def take_over(cls, path: Path, passing: Passing) -> Self | None:
        """Open a segment whose owner is gone; None if it has one, or is no longer there.

        Raises:
            SpoolDamagedError: it is no segment, or cannot be read.
        """
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SpoolDamagedError(f"{path.name}: {error.strerror}") from error
        try:
            return cls._lock(path, descriptor, passing)
        except OSError as error:
            os.close(descriptor)
            raise SpoolDamagedError(f"{path.name}: {error.strerror}") from error
        except SpoolDamagedError:
            os.close(descriptor)
            raise

    @classmethod
    def _lock(cls, path: Path, descriptor: int, passing: Passing) -> Self | None:
        try:
            flock(descriptor, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        if not path.exists() or path.stat().st_ino != os.fstat(descriptor).st_ino:
            os.close(descriptor)
            return None
        header = os.pread(descriptor, HEADER.size, 0)
        size = os.fstat(descriptor).st_size
        if len(header) < HEADER.size:
            raise SpoolDamagedError(f"{path.name}: it has no header")
        magic, replayed, sent_in = HEADER.unpack(header)
        if magic != MAGIC or not HEADER.size <= replayed <= size:
            raise SpoolDamagedError(f"{path.name}: its header is damaged")
        return cls(path, descriptor, size, replayed, sent_in.rstrip(b"\0").decode(), passing)

    def append(self, record: bytes) -> None:
        """Write a record; on return the disk has it.

        Raises:
            OSError: the disk does not; what was written of it is taken back.
        """
        try:
            _write(self._descriptor, record, self.size)
            self._passing(Step.SEGMENT_WRITTEN)
            os.fsync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, self.size)
            raise
        self.size += len(record)

    def read(self) -> tuple[list[Record], bool]:
        """Return what is to be replayed, and whether a torn record follows it."""
        data = os.pread(self._descriptor, self.size - self.replayed, self.replayed)
        records = [Record(record.batch, record.end + self.replayed) for record in read_records(data, start=0)]
        end = records[-1].end if records else self.replayed
        return records, is_torn(data, end - self.replayed)

    def advance(self, end: int) -> None:
        """Note that everything before `end` was counted. A token makes it harmless if this note is lost."""
        self._note(end, "")

    def sending(self, generation: str) -> None:
        """Note that the record at `replayed` is about to be sent, in which generation; the disk has the note.

        Without it a host that loses power would send the record again as one that was never sent, and if
        Redis has lost its token by then, it would count twice.
        """
        self._note(self.replayed, generation)
        os.fsync(self._descriptor)

    def _note(self, replayed: int, sent_in: str) -> None:
        _write(self._descriptor, PROGRESS.pack(replayed, sent_in.encode()), PROGRESS_AT)
        self.replayed, self.sent_in = replayed, sent_in

    def close(self) -> None:
        """Give the segment up; whoever comes next replays the rest."""
        os.close(self._descriptor)

    def remove(self) -> None:
        """Delete the segment, which was replayed whole."""
        self.path.unlink(missing_ok=True)
        os.close(self._descriptor)


def remove_unfinished(folder: Path) -> None:
    """Remove the files of processes that ended before their segment had a name: nobody was told of it."""
    with suppress(BlockingIOError), locked(folder, LOCK_EX | LOCK_NB):
        for path in folder.glob(f"*{UNNAMED}"):
            with suppress(BlockingIOError, FileNotFoundError), path.open("rb") as file:
                flock(file, LOCK_EX | LOCK_NB)
                path.unlink()


@contextmanager
def locked(folder: Path, how: int) -> Generator[None]:
    """Hold a lock of a folder: whoever makes a file there shares it until the file is locked."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)


def _write(descriptor: int, data: bytes, at: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, at)
        view, at = view[written:], at + written


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
