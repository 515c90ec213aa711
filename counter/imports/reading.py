"""Files with the tables of another counter: CSV or a dump of MySQL, plain, gzip or zip, in pieces."""

import gzip
import io
import zipfile
import zlib
from codecs import BOM_UTF16_BE, BOM_UTF16_LE, getincrementaldecoder
from collections.abc import Iterable, Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, Final

from counter.errors import ImportFileError
from counter.imports.file import Watch
from counter.imports.records import Bad, Row
from counter.imports.sources.mysql import read_dump
from counter.imports.sources.tables import Tables, read_csv

_PIECE_BYTES: Final = 1 << 16
_LONGEST_LINE: Final = 1 << 20
_GZIP: Final = b"\x1f\x8b"
_ZIP: Final = b"PK\x03\x04"
_SQL: Final = ("--", "/*", "#", "SET ", "CREATE ", "INSERT ", "REPLACE ", "DROP ", "LOCK ", "USE ", "START ")
MOST_TEXT_BYTES: Final = 1 << 28


class TableFiles:
    """Some files that are imported together, in any order.

    Args:
        watch: wraps each file as it lies on the disk, to show how far it is read.
    """

    def __init__(self, paths: Iterable[Path], watch: Watch = lambda file, _doing: file) -> None:
        self.paths = sorted(paths, key=lambda path: path.name)
        self._watch = watch
        self._digests: list[str] = []

    @property
    def names(self) -> str:
        """What the files are called."""
        return " ".join(path.name for path in self.paths)

    @property
    def digest(self) -> str:
        """SHA-256 of what was read, unpacked, whatever the files are called; hexadecimal."""
        return sha256("\n".join(sorted(self._digests)).encode()).hexdigest()

    def rows(self, tables: Tables) -> Iterator[Row | Bad]:
        """Yield the rows of all tables that are wanted.

        Raises:
            ImportFileError: a file cannot be read.
        """
        for path in self.paths:
            for name, stream in _parts(path, self._watch):
                texts = self._texts(path, stream)
                first = next(texts, "")
                pieces = _chain(first, texts)
                if name.removesuffix(".gz").endswith(".sql") or first.lstrip("\ufeff \r\n\t").startswith(
                    _SQL
                ):
                    yield from read_dump(pieces, name, tables.wants)
                else:
                    yield from read_csv(_lines(pieces), name)

    def texts(self) -> Iterator[tuple[str, str]]:
        """Yield the name and the whole text of each file.

        Raises:
            ImportFileError: a file cannot be read, or is too large for what it should be.
        """
        for path in self.paths:
            for name, stream in _parts(path, self._watch):
                whole, size = [], 0
                for text in self._texts(path, stream):
                    whole.append(text)
                    size += len(text)
                    if size > MOST_TEXT_BYTES:
                        raise ImportFileError(f"{path.name} is too large")
                yield name, "".join(whole)

    def _texts(self, path: Path, stream: IO[bytes]) -> Iterator[str]:
        sha = sha256()
        decoder = None
        try:
            for piece in iter(partial(stream.read, _PIECE_BYTES), b""):
                sha.update(piece)
                decoder = decoder or _decoder(piece)
                yield decoder.decode(piece)
        except (OSError, EOFError, zlib.error, zipfile.BadZipFile, UnicodeError) as error:
            raise ImportFileError(f"{path.name} cannot be read: {error}") from error
        if decoder:
            yield decoder.decode(b"", final=True)
        self._digests.append(sha.hexdigest())


def _decoder(first: bytes) -> Any:
    if first.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        return getincrementaldecoder("utf-16")("replace")
    return getincrementaldecoder("utf-8-sig")("surrogateescape")


def _parts(path: Path, watch: Watch) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield the name and the unpacked content of each file in a file."""
    try:
        with path.open("rb") as raw:
            magic = raw.read(len(_ZIP))
            raw.seek(0)
            watched: Any = watch(raw, "reading")
            if magic == _ZIP:
                with zipfile.ZipFile(raw) as archive:
                    for member in archive.infolist():
                        if not member.is_dir():
                            with archive.open(member) as stream:
                                yield member.filename.rpartition("/")[2], stream
            elif magic.startswith(_GZIP):
                with gzip.GzipFile(fileobj=watched) as packed:
                    yield path.name, io.BufferedReader(packed)
            else:
                with io.BufferedReader(watched) as plain:
                    yield path.name, plain
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise ImportFileError(f"{path.name} cannot be read: {error}") from error


def _chain(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _lines(pieces: Iterable[str]) -> Iterator[str]:
    """Cut text into lines with their ends; one that is too long comes in pieces."""
    rest = ""
    for piece in pieces:
        *lines, rest = (rest + piece).split("\n")
        for line in lines:
            yield line + "\n"
        if len(rest) > _LONGEST_LINE:
            yield rest
            rest = ""
    if rest:
        yield rest
