"""Keeps on disk how far an import of a log is, so that one that was cut short goes on where it was.

    file  = one line that names form and version, then pieces
    piece = its length (u32), its CRC-32 (u32), then as `state.py` has it

Numbers are little-endian. A file takes the place of the one before at once, when the disk has it. Its name
is made of all that decides about the figures, so an import by other rules, or of other content, does not find
it. What is refused or comes to its end leaves nothing behind.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from struct import Struct
from typing import BinaryIO, Final
from zlib import crc32

import msgspec

from counter import __version__
from counter.clock import Clock
from counter.errors import ImportFileError
from counter.imports.parsing import ReadersGoneError
from counter.imports.plan import Plan
from counter.imports.state import State, pack, unpack

FOLDER: Final = "imports"
"""In the folder of the spool."""
FORM: Final = f"counter import 1, counter {__version__}\n".encode()
SUFFIX: Final = ".progress"
UNFINISHED: Final = ".new"
EVERY_MS: Final = 30_000
WORK_FOR_SAVING: Final = 50
"""Saving is followed by so many times its own time, so that it takes 2 % at most."""
LONGEST_MS: Final = 600_000
KEPT_MS: Final = 30 * 86_400_000
"""What nobody went on with for so long is removed."""

_NOT_THERE: Final = (FileNotFoundError, NotADirectoryError)
_FRAME: Final = Struct("<II")

Tell = Callable[[str], None]


class Keeper:
    """Keeps the progress of one import.

    Args:
        folder: may not be there yet; None keeps nothing.
        tell: is told what a person should know, in one line.
        clock: tells when it is time to, and which files are old.
        afresh: what is there of this import is removed.
    """

    def __init__(
        self,
        folder: Path | None,
        tell: Tell,
        clock: Clock,
        *,
        afresh: bool = False,
    ) -> None:
        self._folder = folder
        self._tell = tell
        self._clock = clock
        self._afresh = afresh
        self._path: Path | None = None
        self._kept_ms = 0
        self._every_ms = EVERY_MS
        self._has_failed = False

    def begin(self, plan: Plan, lines: int) -> State:
        """Return how far an import of so many lines is."""
        self._kept_ms = self._clock()
        self._path = self._folder / name_of(plan) if self._folder else None
        self._remove_old()
        if self._afresh:
            self.remove()
        state = self._load(self._path, plan) if self._path else None
        if state:
            self._tell(f"going on after line {state.tally.lines} of {lines}")
        return state or State(plan.site)

    def note(self, state: State) -> None:
        """Keep a state if it is time to."""
        if abs(self._clock() - self._kept_ms) >= self._every_ms:  # it may be set back
            self.keep(state)

    def keep(self, state: State) -> bool:
        """Keep a state; tell whether the disk has it."""
        began_ms = self._clock()
        failure = self._try(state)
        if failure and not self._has_failed:
            self._tell(f"the progress of this import is not kept: {failure}")
        self._has_failed = bool(failure)
        self._kept_ms = self._clock()
        self._every_ms = min(LONGEST_MS, max(EVERY_MS, (self._kept_ms - began_ms) * WORK_FOR_SAVING))
        return not failure

    def _try(self, state: State) -> str:
        """Keep a state, or return why not."""
        if self._path is None:
            return "COUNTER_SPOOL_MB is 0"
        try:
            _save(self._path, state)
        except OSError as error:
            return f"{error.strerror}: {self._path.parent}"
        return ""

    @contextmanager
    def guarding(self, state: State) -> Iterator[None]:
        """Keep a state if the block does not come to its end, and nothing if the import is refused."""
        try:
            yield
        except ReadersGoneError:
            self._keep_last(state)
            raise
        except ImportFileError:
            self.remove()
            raise
        except BaseException:
            self._keep_last(state)
            raise

    def _keep_last(self, state: State) -> None:
        if state.is_whole and state.tally.lines and self.keep(state):
            self._tell(f"cut short after line {state.tally.lines}; the same command goes on from there")

    def forget(self, plan: Plan) -> None:
        """Remove what is there of an import."""
        self._path = self._folder / name_of(plan) if self._folder else None
        self.remove()

    def remove(self) -> None:
        """Remove what is there of the import that was begun."""
        if self._path:
            self._unlink(self._path)
            self._unlink(_unfinished(self._path))

    def _load(self, path: Path, plan: Plan) -> State | None:
        try:
            with path.open("rb") as file:
                return unpack(_pieces(file), plan.site)
        except _NOT_THERE:
            return None
        except (OSError, ImportFileError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            self._tell(f"the progress of this import cannot be used, so it begins anew: {reason}")
            return None

    def _remove_old(self) -> None:
        before_seconds = (self._clock() - KEPT_MS) / 1000
        for path in self._folder.glob(f"*{SUFFIX}*") if self._folder else ():
            with suppress(FileNotFoundError):  # another import may have come to its end
                if path.stat().st_mtime < before_seconds:
                    self._unlink(path)

    def _unlink(self, path: Path) -> None:
        try:
            path.unlink()
        except _NOT_THERE:
            pass
        except OSError as error:
            self._tell(f"{path} cannot be removed: {error.strerror}")


def name_of(plan: Plan) -> str:
    """Return the name of an import's file, which tells nobody the digest of the log."""
    site = plan.site
    decides = (site.id, site.key, site.settings, plan.options, plan.digest)
    told = msgspec.json.encode(decides, order="deterministic")
    return f"{site.key}-{blake2b(told, digest_size=16, person=b'counter progress').hexdigest()}{SUFFIX}"


def _unfinished(path: Path) -> Path:
    return path.with_name(path.name + UNFINISHED)


def _save(path: Path, state: State) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = _unfinished(path)
    unfinished.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(FORM)
            for piece in pack(state):
                file.write(_FRAME.pack(len(piece), crc32(piece)))
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    """Yield the pieces of a file.

    Raises:
        ImportFileError: it is of another version, or damaged.
    """
    if file.readline(len(FORM) + 1) != FORM:
        raise ImportFileError("another version wrote it")
    while frame := file.read(_FRAME.size):
        if len(frame) < _FRAME.size:
            raise ImportFileError("it is damaged")
        size, checksum = _FRAME.unpack(frame)
        piece = file.read(size)
        if len(piece) < size or crc32(piece) != checksum:
            raise ImportFileError("it is damaged")
        yield piece
