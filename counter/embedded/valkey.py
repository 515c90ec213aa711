"""The embedded Valkey: append-only file on, nothing evicted, on a Unix socket."""

import asyncio
import signal
from collections.abc import Sequence
from pathlib import Path

from counter.embedded.account import Account
from counter.embedded.engine import Engine
from counter.embedded.folder import socket_folder
from counter.embedded.wheels import valkey_server

_SOCKET = "valkey.sock"
_PID_FILE = "valkey.pid"


class Valkey(Engine):
    """A Valkey server on its own folder; with `port` it listens on that loopback port as well."""

    label = "Valkey"
    program = "valkey-server"
    stop_signal = signal.SIGTERM

    def __init__(self, data_dir: Path, *, port: int = 0, options: Sequence[str] = ()) -> None:
        super().__init__(data_dir, options=options)
        self._port = port

    @property
    def url(self) -> str:
        """Its address for redis-py."""
        return f"redis://127.0.0.1:{self._port}/0" if self._port else f"unix://{self._sockets / _SOCKET}?db=0"

    async def _prepare(self) -> None:
        self.data_dir.chmod(0o700)
        self._account = Account.owning(self.data_dir)
        self._sockets = socket_folder(self.data_dir, name=_SOCKET, account=self._account)
        await self._clear(self.data_dir, self.data_dir / _PID_FILE)

    def _command(self) -> list[str]:
        settings = {
            "dir": str(self.data_dir),
            "bind": "127.0.0.1",
            "port": str(self._port),
            "unixsocket": str(self._sockets / _SOCKET),
            "unixsocketperm": "700",
            "protected-mode": "yes",
            "appendonly": "yes",
            "appendfsync": "always",
            "aof-load-truncated": "yes",
            "save": "",
            "maxmemory-policy": "noeviction",
            "pidfile": str(self.data_dir / _PID_FILE),
            "daemonize": "no",
        }
        pairs = (word for name, value in settings.items() for word in (f"--{name}", value))
        return [str(valkey_server()), *pairs, *self._options]

    async def _answers(self) -> bool:
        reader, writer = await asyncio.open_unix_connection(self._sockets / _SOCKET)
        try:
            writer.write(b"PING\r\n")
            answer = await reader.readline()  # PONG, or NOAUTH when the options ask for a password
            return bool(answer) and not answer.startswith(b"-LOADING")
        finally:
            writer.close()
