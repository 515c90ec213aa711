"""A log file: read twice, in bounded memory, first for what it is and then for what it tells."""

import asyncio
import gzip
import io
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from hashlib import sha256
from itertools import islice
from math import inf
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

from counter.errors import ImportFileError
from counter.imports.formats import parser_of
from counter.imports.logs import MAX_LINE_BYTES
from counter.imports.parsing import chunks

Watch = Callable[[BinaryIO, str], BinaryIO]
"""Wraps the file as it lies on the disk, to show how far it is read; takes what is being done, too."""

_GZIP: Final = b"\x1f\x8b"
_READ_BYTES: Final = 1 << 20
_PIECES_BETWEEN_PAUSES: Final = 10_000
_LINES_OF_START: Final = 1000


class Contents(NamedTuple):
    """What a file holds, unpacked: SHA-256 (hexadecimal), bytes, whole lines."""

    digest: str
    size: int
    lines: int


class LogFile:
    """One or more regular files, plain or gzip, which follow each other as one."""

    def __init__(self, *paths: Path, watch: Watch = lambda file, _doing: file) -> None:
        self.paths = paths
        self._watch = watch

    @property
    def name(self) -> str:
        """What the files are called."""
        return " ".join(path.name for path in self.paths)

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
                raise ImportFileError(f"{self.name} begins with {grown}")
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
            raise ImportFileError(f"{self.name} has changed while it was read")

    def _pieces(self, doing: str) -> Iterator[bytes]:
        """Yield the content line by line; a line that is too long comes in pieces."""
        for number, path in enumerate(self.paths, start=1):
            piece = b""
            for piece in read_pieces(path, lambda raw: self._watch(raw, doing)):
                yield piece
            if piece and not piece.endswith(b"\n") and number < len(self.paths):
                yield b"\n"  # so that two files do not share a line


def read_pieces(path: Path, watch: Callable[[BinaryIO], BinaryIO]) -> Iterator[bytes]:
    """Yield the content of a file line by line; a line that is too long comes in pieces.

    Raises:
        ImportFileError: it cannot be read.
    """
    if not path.is_file():
        raise ImportFileError(f"{path.name} is no regular file")
    try:
        with path.open("rb") as raw:
            packed = raw.read(len(_GZIP)) == _GZIP
            raw.seek(0)
            watched: Any = watch(raw)
            stream = gzip.GzipFile(fileobj=watched) if packed else watched
            with io.BufferedReader(stream, _READ_BYTES) as reader:
                yield from iter(partial(reader.readline, MAX_LINE_BYTES), b"")
    except (OSError, EOFError, zlib.error) as error:
        raise ImportFileError(f"{path.name} cannot be read: {error}") from error


def in_time_order(paths: Iterable[Path], format_: str) -> list[Path]:
    """Put logs in the order of their first requests, as their names do not tell; those without any come last.

    Raises:
        ImportFileError: one cannot be read.
    """

    def began(path: Path) -> tuple[float, str]:
        start = islice(read_pieces(path, lambda raw: raw), _LINES_OF_START)
        for chunk in chunks(start, format_):
            parse = parser_of(chunk.format)
            for line in chunk.lines:
                if request := parse(line.rstrip(b"\r\n")):
                    return request.at_ms, path.name
        return inf, path.name

    return sorted(paths, key=began)
