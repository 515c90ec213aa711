"""A log file: read twice, in bounded memory, first for what it is and then for what it tells."""

import asyncio
import gzip
import io
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

from counter.errors import ImportFileError
from counter.imports.logs import MAX_LINE_BYTES

Watch = Callable[[BinaryIO, str], BinaryIO]
"""Wraps the file as it lies on the disk, to show how far it is read; takes what is being done, too."""

_GZIP: Final = b"\x1f\x8b"
_READ_BYTES: Final = 1 << 20
_PIECES_BETWEEN_PAUSES: Final = 10_000


class Contents(NamedTuple):
    """What a file holds, unpacked: SHA-256 (hexadecimal), bytes, whole lines."""

    digest: str
    size: int
    lines: int


class LogFile:
    """A regular file, plain or gzip."""

    def __init__(self, path: Path, watch: Watch = lambda file, _doing: file) -> None:
        self.path = path
        self._watch = watch

    async def survey(self, imported: Mapping[int, set[str]]) -> Contents:
        """Read the whole file, letting others run meanwhile, and return what it holds.

        Args:
            imported: digests of the files that are in already, by how many lines they have.

        Raises:
            ImportFileError: it cannot be read, or one of those files has grown to be this one.
        """
        sha, size, lines, grown = sha256(), 0, 0, ""
        for number, piece in enumerate(self._pieces("reading")):
            if grown:
                raise ImportFileError(f"{self.path.name} begins with {grown}")
            sha.update(piece)
            size += len(piece)
            lines += piece.endswith(b"\n")
            if lines in imported and sha.hexdigest() in imported[lines]:
                grown = f"{lines} lines that were imported before; import only those that came after them"
            if number % _PIECES_BETWEEN_PAUSES == 0:
                await asyncio.sleep(0)
        return Contents(sha.hexdigest(), size, lines)

    def lines(self, contents: Contents) -> Iterator[bytes]:
        """Yield the lines that the file had when it was surveyed, without their ends, cut where too long.

        Raises:
            ImportFileError: it cannot be read, or holds something else by now.
        """
        sha, left, at_start = sha256(), contents.size, True
        for piece in self._pieces("counting"):
            part = piece[:left]
            left -= len(part)
            sha.update(part)
            if at_start and part:
                yield part.rstrip(b"\r\n")
            at_start = piece.endswith(b"\n")
            if not left:
                break
        if sha.hexdigest() != contents.digest:
            raise ImportFileError(f"{self.path.name} has changed while it was read")

    def _pieces(self, doing: str) -> Iterator[bytes]:
        """Yield the content line by line; a line that is too long comes in pieces."""
        if not self.path.is_file():
            raise ImportFileError(f"{self.path.name} is no regular file")
        try:
            with self.path.open("rb") as raw:
                packed = raw.read(len(_GZIP)) == _GZIP
                raw.seek(0)
                watched: Any = self._watch(raw, doing)
                stream = gzip.GzipFile(fileobj=watched) if packed else watched
                with io.BufferedReader(stream, _READ_BYTES) as reader:
                    yield from iter(partial(reader.readline, MAX_LINE_BYTES), b"")
        except (OSError, EOFError, zlib.error) as error:
            raise ImportFileError(f"{self.path.name} cannot be read: {error}") from error
