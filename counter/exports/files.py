"""A file that is there whole or not at all."""

import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from counter.errors import ExportError


@contextmanager
def replaced(path: Path, *, mode: int = 0o666) -> Generator[BinaryIO]:
    """Yield a new file that takes the place of `path` if all goes well, and is removed if not.

    Args:
        path: of the file.
        mode: who may read and write it, less the process's umask.

    Raises:
        ExportError: it cannot be written.
    """
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}.unfinished")
    try:
        handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        raise ExportError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        unfinished.unlink(missing_ok=True)
