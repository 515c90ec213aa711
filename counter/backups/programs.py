"""Postgres' own `pg_dump` and `pg_restore`: where they are, and how they reach the database."""

import asyncio
import re
import shutil
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from counter.errors import BackupError

_VERSION: Final = re.compile(rb"\(PostgreSQL\) (\d+)")
_DEBIAN: Final = Path("/usr/lib/postgresql")
_PASSWORD_FILE: Final = "passwords"  # noqa: S105 - its name


class Program(NamedTuple):
    """A program, and its major version."""

    path: Path
    version: int


async def find_program(name: str, least_version: int, folders: Iterable[Path]) -> Program:
    """Return the first program that is new enough: of the PATH, of Debian's, of some folders.

    The folders come last: what a wheel brings speaks no TLS.

    Raises:
        BackupError: there is none.
    """
    on_path = shutil.which(name)
    candidates = [Path(on_path)] if on_path else []
    candidates += sorted(_DEBIAN.glob(f"*/bin/{name}"), reverse=True)
    candidates += [folder / name for folder in folders]
    found = [await _program(path) for path in candidates if path.is_file()]
    for program in found:
        if program.version >= least_version:
            return program
    older = " and ".join(f"{program.path} is of {program.version}" for program in found)
    raise BackupError(
        f"Postgres' own program {name} is needed, of version {least_version} or newer; "
        + (f"{older}" if older else f"there is none on the PATH or below {_DEBIAN}")
        + f". Install your system's package postgresql-client-{least_version}, "
        "or run this in the container's image or in the clone of `make run`, which have it"
    )


async def run_program(program: Program, *words: str) -> bytes:
    """Run a program to its end, and return what it printed.

    Raises:
        BackupError: it failed; the message is the last line that it said.
    """
    code, out, said = await _run(program.path, *words)
    if code != 0:
        last = said.decode(errors="replace").strip().splitlines()[-1:] or [f"it ended with {code}"]
        raise BackupError(f"{program.path.name}: {last[0]}")
    return out


@contextmanager
def reachable(url: str) -> Generator[str]:
    """Yield the address of a database for libpq, whose password is in a file that only we can read."""
    parts = urlsplit(url)
    if parts.password is None:
        yield url
        return
    with TemporaryDirectory(prefix="counter-") as folder:
        file = Path(folder) / _PASSWORD_FILE
        file.touch(mode=0o600)
        password = unquote(parts.password).replace("\\", "\\\\").replace(":", "\\:")
        file.write_text(f"*:*:*:*:{password}\n", encoding="utf-8")
        user, host = quote(unquote(parts.username or ""), safe=""), parts.netloc.rpartition("@")[2]
        query = urlencode([*parse_qsl(parts.query), ("passfile", str(file))], quote_via=quote)
        yield urlunsplit((parts.scheme, f"{user}@{host}", parts.path, query, ""))


async def _program(path: Path) -> Program:
    _code, out, _said = await _run(path, "--version")
    found = _VERSION.search(out)
    return Program(path, int(found[1]) if found else 0)


async def _run(path: Path, *words: str) -> tuple[int, bytes, bytes]:
    process = await asyncio.create_subprocess_exec(path, *words, stdin=DEVNULL, stdout=PIPE, stderr=PIPE)
    try:
        out, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, out, said
