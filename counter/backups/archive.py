"""The file of a backup: a tar with the manifest, the dump, and the checksums of both."""

import hashlib
import io
import tarfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, NamedTuple

from counter.backups.manifest import Manifest, decode_manifest, encode_manifest
from counter.errors import BackupError
from counter.exports.files import replaced

MANIFEST: Final = "manifest.json"
CHECKSUMS: Final = "checksums.sha256"
DUMP: Final = "postgres.dump"
_CHUNK: Final = 1 << 20
_MOST_SMALL_BYTES: Final = 64 << 20
_PRIVATE: Final = 0o600


class Digest(NamedTuple):
    """Length and SHA-256 of a file."""

    size: int
    sha256: str


def digest_of(path: Path) -> Digest:
    """Read a file through."""
    with path.open("rb") as file:
        return _digest(file, None)


def write_archive(path: Path, manifest: Manifest, dump: Path) -> None:
    """Write the whole file, or none; only its owner may read it, as the sites' secrets are in it.

    Raises:
        ExportError: it cannot be written.
    """
    body = encode_manifest(manifest)
    sums = f"{hashlib.sha256(body).hexdigest()}  {MANIFEST}\n{manifest.dump_sha256}  {DUMP}\n".encode()
    with replaced(path, mode=_PRIVATE) as file, tarfile.open(fileobj=file, mode="w") as tar:
        for name, content in ((MANIFEST, body), (CHECKSUMS, sums)):
            tar.addfile(_member(name, len(content)), io.BytesIO(content))
        with dump.open("rb") as source:
            tar.addfile(_member(DUMP, manifest.dump_bytes), source)


def unpack_archive(path: Path, dump: Path) -> Manifest:
    """Check the whole file, and write its dump to `dump`.

    Raises:
        BackupError: it is none, or damaged, or cut short.
    """
    with _reading(path) as tar:
        names = tar.getnames()
        if names != [MANIFEST, CHECKSUMS, DUMP]:
            raise BackupError(f"{path.name} is no backup of the counter, or cut short")
        body, sums = _small(tar, MANIFEST), _small(tar, CHECKSUMS)
        if sums.decode(errors="replace").split()[:1] != [hashlib.sha256(body).hexdigest()]:
            raise BackupError(f"{path.name} is damaged: the manifest is not what its checksum says")
        manifest = decode_manifest(body)
        with _member_file(tar, DUMP) as source, dump.open("xb") as target:
            found = _digest(source, target)
    if found != (manifest.dump_bytes, manifest.dump_sha256):
        raise BackupError(f"{path.name} is damaged: the dump is not what its checksum says")
    return manifest


@contextmanager
def _reading(path: Path) -> Generator[tarfile.TarFile]:
    try:
        with tarfile.open(path, mode="r:") as tar:
            yield tar
    except tarfile.TarError as error:
        raise BackupError(f"{path.name} is no backup of the counter, or cut short: {error}") from error
    except OSError as error:
        raise BackupError(f"{path} cannot be read: {error.strerror or error}") from error


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, _PRIVATE
    return member


def _member_file(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    found = tar.extractfile(name)
    if found is None:
        raise BackupError(f"{name} in the backup is no file")
    return found


def _small(tar: tarfile.TarFile, name: str) -> bytes:
    with _member_file(tar, name) as file:
        return file.read(_MOST_SMALL_BYTES)


def _digest(source: IO[bytes], copy: IO[bytes] | None) -> Digest:
    sha256, size = hashlib.sha256(), 0
    while chunk := source.read(_CHUNK):
        sha256.update(chunk)
        size += len(chunk)
        if copy:
            copy.write(chunk)
    return Digest(size, sha256.hexdigest())
