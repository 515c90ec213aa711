"""A worker: serves on the sockets that its parent gave it, and ends when the parent says so or is gone."""

import asyncio
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from counter.app import attend
from counter.background import end
from counter.config import Settings
from counter.hits.limits import Remember
from counter.hits.shared import Shared
from counter.supervisor import Supervisor
from counter.workers.process import HURRY


async def work(
    settings: Settings,
    public: Sequence[int],
    admin: int,
    parent: int,
    limits: int | None,
    *,
    stop: asyncio.Event,
    hurry: asyncio.Event,
) -> None:
    """Serve until the parent wants no more; then drain, finish what was begun, and roll up.

    Args:
        settings: the configuration.
        public: file descriptors of the sockets that all workers share.
        admin: that of the socket on which the parent asks.
        parent: that of the channel to it.
        limits: that of the memory in which all workers keep their limits, None if each has its own.
        stop: is set by a signal or the parent.
        hurry: is set by the parent.

    Raises:
        ConfigError: the configuration cannot work.
    """
    channel, listener, *shared = (_inherited(fd) for fd in (parent, admin, *public))
    path = listener.getsockname()
    obeying = asyncio.create_task(_obey(channel, stop, hurry), name="obey the parent")
    try:
        await attend(
            settings,
            stop=stop,
            hurry=hurry,
            supervisor=Supervisor(public=tuple(shared), admin=(listener,), parent=channel),
            remember=None if limits is None else _shared(limits),
        )
    finally:
        if obeying.done():
            _tidy(Path(path))
        await end(obeying)
        channel.close()


def _shared(limits: int) -> Remember:
    memory = Shared(limits)
    os.close(limits)
    return memory.table


def _tidy(path: Path) -> None:
    """Remove what the parent would have removed."""
    path.unlink(missing_ok=True)
    with suppress(OSError):  # other workers still have their sockets there
        path.parent.rmdir()


async def _obey(channel: socket.socket, stop: asyncio.Event, hurry: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    with suppress(ConnectionError):
        while heard := await loop.sock_recv(channel, 64):
            stop.set()
            if HURRY in heard:
                hurry.set()
    stop.set()  # the parent is gone: nobody would start or end us any more


def _inherited(fd: int) -> socket.socket:
    found = socket.socket(fileno=fd)
    found.set_inheritable(False)
    found.settimeout(0)
    return found
