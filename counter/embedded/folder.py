"""The folders of the engines: locked for one user, writable or explained, short enough for a socket."""

import errno
import fcntl
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from counter.embedded.account import Account
from counter.errors import EmbeddedEngineError

_SOCKET_BYTES = 100
"""Longest path of a Unix socket: Linux takes 107, macOS 103."""


@contextmanager
def exclusive(data_dir: Path) -> Iterator[None]:
    """Hold `data_dir` (made when it is missing) for this process alone.

    Raises:
        EmbeddedEngineError: another process holds it, or it cannot be written.
    """
    with writable(data_dir):
        data_dir.mkdir(parents=True, exist_ok=True)
        lock = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _take(lock, data_dir)
        yield
    finally:
        os.close(lock)


def _take(lock: int, data_dir: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(lock, 20).decode(errors="replace").strip() or "unknown"
        raise EmbeddedEngineError(
            f"{data_dir} is in use by another `counter up` (process {holder}); "
            "stop it or set COUNTER_DATA_DIR"
        ) from None
    with writable(data_dir):
        os.ftruncate(lock, 0)
        os.write(lock, f"{os.getpid()}\n".encode())


@contextmanager
def writable(folder: Path) -> Iterator[None]:
    """Turn what the file system refuses into one line that says what to do."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        advice = (
            "free some space"
            if error.errno in {errno.ENOSPC, errno.EDQUOT}
            else "set COUNTER_DATA_DIR to a folder that this user can write"
        )
        raise EmbeddedEngineError(f"cannot use {error.filename or folder}: {reason}; {advice}") from error


def socket_folder(data_dir: Path, *, name: str, account: Account | None) -> Path:
    """Make the private folder of the socket `name`: `run`, or a temporary one when the path is too long.

    Raises:
        EmbeddedEngineError: somebody else has made the temporary one.
    """
    uid = account.uid if account else os.geteuid()
    folder = data_dir / "run"
    if not _fits(folder / name):
        digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12]
        folder = Path(tempfile.gettempdir()) / f"counter-{uid}-{digest}"
    if not _fits(folder / name):
        raise EmbeddedEngineError(f"{folder} is too long for a socket; set TMPDIR to a shorter path")
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if account and status.st_uid == os.geteuid() and stat.S_ISDIR(status.st_mode):
        account.own(folder)
    elif status.st_uid != uid or stat.S_IMODE(status.st_mode) & 0o077 or not stat.S_ISDIR(status.st_mode):
        raise EmbeddedEngineError(f"{folder} is not ours alone; remove it, or set COUNTER_DATA_DIR")
    return folder


def _fits(socket: Path) -> bool:
    return len(os.fsencode(socket)) <= _SOCKET_BYTES
