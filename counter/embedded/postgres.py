"""The embedded Postgres: a cluster made at the first start, on a Unix socket that only its owner reaches."""

import shutil
import signal
from pathlib import Path
from urllib.parse import quote

import asyncpg

from counter.embedded.account import Account, all_may_read
from counter.embedded.engine import Engine
from counter.embedded.folder import socket_folder
from counter.embedded.wheels import postgres_programs, postgres_trees

_NAME = "counter"
"""Of the database and of the role."""
_PORT = 5432
"""Only a part of the socket's name: there is no TCP."""
_SETTINGS = {
    "listen_addresses": "",
    "port": str(_PORT),
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    # For a small machine that counts visitors beside its main work.
    "shared_buffers": "32MB",
    "max_connections": "60",
    "max_wal_size": "256MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "io_workers": "1",
    "jit": "off",
}


class Postgres(Engine):
    """A Postgres server on its own folder.

    As root it runs as another system user, to whom its cluster and its socket are given; see `Account`.
    """

    label = "Postgres"
    program = "postgres"
    stop_signal = signal.SIGINT

    @property
    def url(self) -> str:
        """Its address for asyncpg."""
        return self._url_of(_NAME)

    def _url_of(self, database: str) -> str:
        return f"postgresql://{_NAME}@/{database}?host={quote(str(self._sockets), safe='')}&port={_PORT}"

    @property
    def _cluster(self) -> Path:
        return self.data_dir / "cluster"

    async def _prepare(self) -> None:
        self._account = Account.instead_of_root(self._cluster)
        self.data_dir.chmod(0o711 if self._account else 0o700)
        if self._account:
            self._account.may_search(self._cluster)
            self._account.may_search(postgres_programs())
            for tree in postgres_trees():
                all_may_read(tree)
        self._sockets = socket_folder(self.data_dir, name=f".s.PGSQL.{_PORT}", account=self._account)
        await self._clear(self._cluster, self._cluster / "postmaster.pid")
        if not self._cluster.exists():
            await self._make_cluster()
        elif self._account:
            self._account.own(self._cluster)

    async def _make_cluster(self) -> None:
        """Run `initdb` beside the final place, so that a cluster is there whole or not at all."""
        unfinished = self.data_dir / "cluster.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        if self._account:
            self._account.own(unfinished)
        words = [
            *(str(postgres_programs() / "initdb"), "--pgdata", str(unfinished), "--username", _NAME),
            *("--auth-local=trust", "--auth-host=reject", "--no-instructions"),
            *("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
        ]
        initdb = self._launch(words)
        try:
            exit_code = await initdb.ended()
        finally:
            initdb.kill()
        if exit_code != 0:
            raise self._failed("could not make its first data", initdb)
        unfinished.rename(self._cluster)

    def _command(self) -> list[str]:
        sockets = '"{}"'.format(str(self._sockets).replace('"', '""'))
        settings = {**_SETTINGS, "unix_socket_directories": sockets}
        pairs = (word for name, value in settings.items() for word in ("-c", f"{name}={value}"))
        return [str(postgres_programs() / "postgres"), "-D", str(self._cluster), *pairs, *self._options]

    async def _answers(self) -> bool:
        try:
            connection = await asyncpg.connect(self._url_of("postgres"))
        except (asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError):
            return False  # it is starting or recovering
        try:
            if not await connection.fetchval("SELECT count(*) FROM pg_database WHERE datname = $1", _NAME):
                await connection.execute(f"CREATE DATABASE {_NAME}")
        finally:
            await connection.close()
        return True
