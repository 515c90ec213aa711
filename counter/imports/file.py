"""A log file: read twice, in bounded memory, first for what it is and then for what it tells."""

import asyncio
import gzip
import io
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import sha256
from itertools import chain, islice
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
BLOCK_BYTES: Final = 1 << 18
"""So much is read and judged at once, some ms."""
_LINES_OF_START: Final = 1000


class Contents(NamedTuple):
    """What a file holds, unpacked: SHA-256 (hexadecimal), bytes, whole lines.

    Attributes:
        marks: the SHA-256 up to the end of each block.
    """

    digest: str
    size: int
    lines: int
    marks: list[bytes]


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
        marks: list[bytes] = []
        for block in self._blocks("reading"):
            for piece in cut_after(block, [known - lines for known in imported]):
                if grown:
                    raise ImportFileError(f"{self.name} begins with {grown}")
                sha.update(piece)
                size += len(piece)
                lines += piece.count(b"\n")
                if lines in imported and sha.hexdigest() in imported[lines]:
                    grown = f"{lines} lines that were imported before; import only those that came after them"
            marks.append(sha.digest())
            await asyncio.sleep(0)
        return Contents(sha.hexdigest(), size, lines, marks)

    def lines(self, contents: Contents) -> Iterator[list[bytes]]:
        """Yield the lines that the file had when it was surveyed, some at a time, without their ends.

        Raises:
            ImportFileError: it cannot be read, or holds something else by now.
        """
        return lines_of(self._as_surveyed(contents))

    def _as_surveyed(self, contents: Contents) -> Iterator[bytes]:
        """Yield the content in blocks, each only if it is the very one that was surveyed."""
        sha, left = sha256(), contents.size
        changed = ImportFileError(f"{self.name} has changed while it was read")
        blocks = self._blocks("counting")
        for mark in contents.marks:
            part = next(blocks, b"")[:left]
            left -= len(part)
            sha.update(part)
            if sha.digest() != mark:
                raise changed
            yield part

    def _blocks(self, doing: str) -> Iterator[bytes]:
        """Yield the content of all files as one."""
        last = b"\n"
        for path in self.paths:
            if not last.endswith(b"\n"):
                last = b"\n"
                yield last  # so that two files do not share a line
            for last in read_blocks(path, lambda raw: self._watch(raw, doing)):
                yield last


def read_blocks(path: Path, watch: Callable[[BinaryIO], BinaryIO] = lambda raw: raw) -> Iterator[bytes]:
    """Yield the content of a file, unpacked, in blocks.

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
            with io.BufferedReader(stream, BLOCK_BYTES) as reader:
                while block := reader.read(BLOCK_BYTES):
                    yield block
                    if len(block) < BLOCK_BYTES:
                        break  # was the end; whatever is written now makes no further block
    except (OSError, EOFError, zlib.error) as error:
        raise ImportFileError(f"{path.name} cannot be read: {error}") from error


def lines_of(blocks: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Yield the lines of a content, those of a block at a time, without their ends, cut where too long."""
    rest = b""
    for block in blocks:
        *lines, rest = (rest + block).split(b"\n")
        rest = rest[:MAX_LINE_BYTES]  # of a line that goes on and on
        if lines:
            yield _clean(lines)
    if rest:
        yield _clean([rest])


def _clean(lines: list[bytes]) -> list[bytes]:
    if max(map(len, lines)) > MAX_LINE_BYTES:
        lines = [line[:MAX_LINE_BYTES] for line in lines]
    return [line.rstrip(b"\r") for line in lines] if b"\r" in b"".join(lines) else lines


def cut_after(block: bytes, lines: Iterable[int]) -> Iterator[bytes]:
    """Yield a block in pieces that end after so many lines, where it has as many."""
    begin = end = counted = 0
    wanted = sorted(number for number in lines if number > 0)
    last = block.count(b"\n") if wanted else 0
    for number in wanted:
        if number > last:
            break
        while counted < number:
            end = block.index(b"\n", end) + 1
            counted += 1
        yield block[begin:end]
        begin = end
    if begin < len(block):
        yield block[begin:]


def in_time_order(paths: Iterable[Path], format_: str) -> list[Path]:
    """Put logs in the order of their first requests, as their names do not tell; those without any come last.

    Raises:
        ImportFileError: one cannot be read.
    """

    def began(path: Path) -> tuple[float, str]:
        start = islice(chain.from_iterable(lines_of(read_blocks(path))), _LINES_OF_START)
        for chunk in chunks([list(start)], format_):
            parse = parser_of(chunk.format)
            for line in chunk.lines:
                if request := parse(line):
                    return request.at_ms, path.name
        return inf, path.name

    return sorted(paths, key=began)
