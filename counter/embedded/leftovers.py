"""Servers that a killed run has left on a folder."""

import asyncio
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from counter.embedded.wheels import require

if TYPE_CHECKING:
    import psutil

_PATIENCE_SECONDS = 30
_POLL_SECONDS = 0.05


async def stop_leftovers(folder: Path, *, program: str, pid_file: Path, with_signal: signal.Signals) -> None:
    """Stop every `program` that still works on `folder`.

    A server's working folder is its data folder, so a pid file alone is never believed: it only tells the
    main process, which gets the signal; the children of a dead one end by themselves. What stays is killed.
    """
    for process in _working_on(folder, program):
        if process.pid == _written_in(pid_file):
            _send(process, with_signal)
    if not await _all_gone(folder, program):
        for process in _working_on(folder, program):
            _send(process, signal.SIGKILL)
        await _all_gone(folder, program)


def _working_on(folder: Path, program: str) -> "list[psutil.Process]":
    require("psutil")
    import psutil  # noqa: PLC0415  # comes with the extra

    processes = psutil.process_iter(["name", "cwd"])
    return [one for one in processes if one.info["cwd"] == str(folder) and one.info["name"] == program]


def _written_in(pid_file: Path) -> int | None:
    try:
        return int(pid_file.read_text(encoding="utf-8").split("\n", 1)[0])
    except (OSError, ValueError):
        return None


def _send(process: "psutil.Process", signum: signal.Signals) -> None:
    import psutil  # noqa: PLC0415

    with suppress(psutil.NoSuchProcess):
        process.send_signal(signum)


async def _all_gone(folder: Path, program: str) -> bool:
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while _working_on(folder, program):  # noqa: ASYNC110  # another program's end is no event
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        return False
    return True
