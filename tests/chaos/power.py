"""A host that loses power: what of the spool was never fsynced is gone, though the kernel still has it.

A worker notes what each fsync made durable, after the fact; so a note never says too much.
"""

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

from counter.buckets.segment import HEADER


def note_fsyncs(notes: Path, fsync: Callable[[int], None] = os.fsync) -> Callable[[int], None]:
    """Return an `fsync` that notes in a folder what is durable: of a file size and head, of a folder its names."""
    # The event loop and a thread may call at once, and the older note must not replace the newer one.
    one_at_a_time = threading.Lock()

    def noting(descriptor: int) -> None:
        with one_at_a_time:
            path = Path(f"/proc/self/fd/{descriptor}").readlink()
            if path.is_dir():
                names = list(path.iterdir())
                fsync(descriptor)
                for name in names:
                    _name_note(notes, name).touch()
            else:
                size, head = os.fstat(descriptor).st_size, os.pread(descriptor, HEADER.size, 0)
                fsync(descriptor)
                _write_note(_size_note(notes, path), json.dumps([size, head.hex()]))

    return noting


def _name_note(notes: Path, file: Path) -> Path:
    return notes / f"{file.parent.name} {file.name} named"


def _size_note(notes: Path, file: Path) -> Path:
    return notes / f"{file.parent.name} {file.stem} size"  # a file may get its name later


def _write_note(note: Path, text: str) -> None:
    unfinished = note.with_name(f"{note.name} {os.getpid()}")
    unfinished.write_text(text)
    unfinished.rename(note)


def lose_power(spool: Path, notes: Path) -> None:
    """Take from the files of a spool, whose processes have ended, what was never fsynced."""
    for file in spool.rglob("*"):
        if file.is_file():
            _lose(file, notes)


def _lose(file: Path, notes: Path) -> None:
    note = _size_note(notes, file)
    if not note.exists() or not _name_note(notes, file).exists():
        file.unlink()
        return
    size, head = json.loads(note.read_text())
    with file.open("r+b") as opened:
        opened.truncate(min(size, file.stat().st_size))
        opened.write(bytes.fromhex(head))
