"""The embedded engines: whatever ended them, they continue on the same data, or say in one line why not."""

import asyncio
import os
import socket
import stat
import sys
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

import asyncpg
import psutil
import pytest
import redis.asyncio as redis

from counter.config import Settings
from counter.embedded import up as up_module
from counter.embedded import wheels
from counter.embedded.account import all_may_read
from counter.embedded.engine import Engine
from counter.embedded.folder import exclusive
from counter.embedded.postgres import Postgres
from counter.embedded.up import up
from counter.embedded.valkey import Valkey
from counter.errors import ConfigError, EmbeddedEngineError

IS_ROOT = os.geteuid() == 0
ENGINES = pytest.mark.parametrize("kind", [Valkey, Postgres])


@ENGINES
async def test_data_survive_a_clean_stop(kind, tmp_path):
    """What was stored before a clean stop is there after the next start."""
    engine = kind(tmp_path)
    for expected in (1, 2, 3):
        async with engine:
            assert await add_one(engine) == expected
        assert not engine.running


@ENGINES
async def test_data_survive_a_kill(kind, tmp_path):
    """What a killed server had acknowledged is there after the next start."""
    engine = kind(tmp_path)
    for expected in (1, 2, 3):
        await engine.start()
        assert await add_one(engine) == expected
        engine.kill()
    async with engine:
        assert await add_one(engine) == 4


@ENGINES
async def test_starting_twice_changes_nothing(kind, tmp_path):
    """A running engine is left alone by a second start."""
    async with kind(tmp_path) as engine:
        pid = engine.pid
        await engine.start()
        assert engine.pid == pid


@ENGINES
async def test_an_orphan_is_stopped_cleanly_first(kind, tmp_path):
    """A server that a killed run has left on the folder is ended, and its data continue."""
    left_behind = kind(tmp_path)
    await left_behind.start()
    await add_one(left_behind)
    async with kind(tmp_path) as engine:
        assert await add_one(engine) == 2
        assert left_behind._process.exit_code == 0


@ENGINES
async def test_stale_pid_file_of_a_living_stranger(kind, tmp_path):
    """A pid file that names another living process neither stops the start nor hurts that process."""
    engine = kind(tmp_path)
    async with engine:
        await add_one(engine)
        pid_file = tmp_path / ("valkey.pid" if kind is Valkey else "cluster/postmaster.pid")
        left = pid_file.read_text().split("\n", 1)
    stranger = await asyncio.create_subprocess_exec("sleep", "600")
    pid_file.write_text("\n".join([str(stranger.pid), *left[1:]]))
    async with engine:
        assert await add_one(engine) == 2
    assert stranger.returncode is None
    stranger.kill()
    await stranger.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's end")
async def test_engines_end_with_a_killed_parent(tmp_path, here):
    """`kill -9` of `counter up` leaves no server behind."""
    program = (
        "import asyncio, pathlib, sys\n"
        "from counter.embedded.postgres import Postgres\n"
        "from counter.embedded.valkey import Valkey\n"
        "async def main():\n"
        "    folder = pathlib.Path(sys.argv[1])\n"
        "    engines = [Valkey(folder / 'valkey'), Postgres(folder / 'postgres')]\n"
        "    for engine in engines: await engine.start()\n"
        "    print(*(engine.pid for engine in engines), flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, tmp_path), stdout=asyncio.subprocess.PIPE, cwd=here
    )
    servers = [psutil.Process(int(pid)) for pid in (await parent.stdout.readline()).split()]
    assert len(servers) == 2
    parent.kill()
    await parent.communicate()
    _gone, alive = psutil.wait_procs(servers, timeout=30)
    assert not alive


@ENGINES
async def test_a_terminal_does_not_reach_the_engine(kind, tmp_path):
    """Ctrl-C goes to the service alone: an engine leads its own session, and is no root's Postgres."""
    async with kind(tmp_path) as engine:
        assert os.getsid(engine.pid) == engine.pid
        if kind is Postgres:
            assert psutil.Process(engine.pid).uids().real != 0


async def test_valkey_keeps_its_promises(valkey):
    """AOF on, nothing evicted, no TCP port, and a socket that only its owner reaches."""
    async with redis.from_url(valkey.url) as client:
        settings = await client.config_get("*")
    assert settings["appendonly"] == "yes"
    assert settings["maxmemory-policy"] == "noeviction"
    assert settings["port"] == "0"
    assert stat.S_IMODE(os.stat(settings["unixsocket"]).st_mode) == 0o700  # noqa: PTH116


async def test_postgres_keeps_its_promises(postgres):
    """UTF-8 in code-point order, no TCP, and a socket in a folder that only its owner enters."""
    async with connected(postgres) as connection:
        assert await connection.fetchval("SHOW listen_addresses") == ""
        assert await connection.fetchval("SHOW server_encoding") == "UTF8"
        assert await connection.fetchval("SELECT upper('đã xem')") == "ĐÃ XEM"
        assert await connection.fetchval("SELECT min(a) FROM (VALUES ('á'), ('z')) AS t (a)") == "z"
    assert stat.S_IMODE(postgres._sockets.stat().st_mode) == 0o700


async def test_valkey_listens_on_a_port_when_asked(tmp_path):
    """With a port the address is a loopback one."""
    async with Valkey(tmp_path, port=free_port()) as engine:
        assert engine.url.startswith("redis://127.0.0.1:")
        assert await add_one(engine) == 1


async def test_a_torn_tail_of_the_log_is_cut(tmp_path):
    """A machine that lost power in the middle of a write loses that write only."""
    engine = Valkey(tmp_path)
    async with engine:
        await add_one(engine)
    (log,) = (tmp_path / "appendonlydir").glob("*.incr.aof")
    with log.open("ab") as file:
        file.write(b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$100\r\nhalf")
    async with engine:
        assert await add_one(engine) == 2


async def test_an_interrupted_initdb_is_begun_anew(tmp_path):
    """Ctrl-C during the very first start leaves no half-made cluster in the way."""
    engine = Postgres(tmp_path)
    starting = asyncio.create_task(engine.start())
    await until((tmp_path / "cluster.unfinished" / "PG_VERSION").exists)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not (tmp_path / "cluster").exists()
    async with engine:
        assert await add_one(engine) == 1


@ENGINES
async def test_a_long_path(kind, tmp_path):
    """A folder deeper than a socket's path may be works, and its short socket folder goes with the engine."""
    folder = tmp_path / ("a long name with spaces, 'quotes' " * 3) / ("and more" * 10)
    engine = kind(folder)
    async with engine:
        assert await add_one(engine) == 1
        sockets = engine._sockets
        assert folder not in sockets.parents
    assert not sockets.exists()
    async with engine:
        assert await add_one(engine) == 2


async def test_private_ancestors_become_searchable_and_no_more(tmp_path):
    """As root, below private folders, only the search bit is added, for Postgres runs as another user."""
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    async with Postgres(private / "postgres") as engine:
        assert await add_one(engine) == 1
    assert stat.S_IMODE(private.stat().st_mode) == (0o701 if IS_ROOT else 0o700)


def test_a_strict_umask_does_not_hide_the_programs(tmp_path):
    """Programs that were installed for root alone can be run by the user of Postgres, and changed by none."""
    folder = tmp_path / "bin"
    folder.mkdir(mode=0o700)
    for name, mode in (("program", 0o700), ("library", 0o600)):
        (folder / name).touch(mode=mode)
    all_may_read(folder)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (folder, folder / "program", folder / "library")]
    assert modes == [0o705, 0o705, 0o604]


@ENGINES
async def test_an_unusable_folder(kind, tmp_path):
    """A folder that cannot be made gives one line with the variable to set."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EmbeddedEngineError, match=r"^cannot use .*/file.*: .*COUNTER_DATA_DIR.*$"):
        await kind(tmp_path / "file" / "data").start()


@pytest.mark.parametrize(
    ("engine", "complaint"),
    [(Valkey, ("--nonsense", "1")), (Postgres, ("-c", "nonsense=1"))],
)
async def test_a_server_that_dies_at_start(engine, complaint, tmp_path):
    """A server that does not come up is reported at once, with the last complaint of its log."""
    broken = engine(tmp_path, options=complaint)
    with pytest.raises(EmbeddedEngineError) as caught:
        await broken.start()
    assert "did not start" in str(caught.value)
    assert str(broken.log) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not broken.running


async def test_a_missing_extra(monkeypatch, tmp_path):
    """Without the extra, one line says what to install."""
    monkeypatch.setattr(wheels.importlib.util, "find_spec", lambda _name: None)
    for engine in (Valkey(tmp_path / "valkey"), Postgres(tmp_path / "postgres")):
        with pytest.raises(EmbeddedEngineError, match="is not installed; run `pip install"):
            await engine.start()


def test_one_folder_has_one_owner(tmp_path):
    """The second `counter up` on a folder is told who holds it; afterwards the folder is free again."""
    with (
        exclusive(tmp_path),
        pytest.raises(EmbeddedEngineError, match=rf"\(process {os.getpid()}\).*COUNTER_DATA_DIR"),
        exclusive(tmp_path),
    ):
        pass
    with exclusive(tmp_path):
        pass


async def test_up_serves_and_stops_everything(tmp_path, monkeypatch):
    """`counter up` hands the engines' addresses to the service and leaves no server running."""
    run = Up(tmp_path, monkeypatch)
    async with run:
        assert run.served.demo
        assert run.served.drain_seconds == 0.5  # Ctrl-C is quick, though a browser keeps its connections
        async with redis.from_url(run.served.redis_url.get_secret_value()) as client:
            assert await client.incr("x") == 1
        connection = await asyncpg.connect(run.served.database_url.get_secret_value())
        await connection.close()
        servers = run.servers()
        assert len(servers) == 2
        with pytest.raises(EmbeddedEngineError, match="in use by another"):
            await up(run.settings, stop=asyncio.Event(), say=run.lines.append)
    assert not any(server.is_running() for server in servers)


async def test_up_without_the_service(tmp_path, monkeypatch):
    """With the stores alone nothing is served and no port is needed; the file for the shell names all that is there."""
    run = Up(tmp_path, monkeypatch)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = run.settings.model_copy(update={"port": taken.getsockname()[1]})
        task = asyncio.create_task(up(settings, stop=run.stop, say=run.lines.append, stores_only=True))
        await until(lambda: (tmp_path / "env").exists() or task.done())
        shell = await asyncio.create_subprocess_exec(
            *("sh", "-euc", f'. {tmp_path}/env; echo "$COUNTER_SPOOL_DIR"; psql "$COUNTER_DATABASE_URL" -c "select 1"'),
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        said, _ = await shell.communicate()
        assert (shell.returncode, said.decode().splitlines()[0]) == (0, str(tmp_path / "spool"))
        run.stop.set()
        await task
    assert run.served is None
    assert run.servers() == []
    assert not (tmp_path / "env").exists()


@pytest.mark.parametrize("folder", ["valkey", "postgres"])
async def test_up_starts_a_dead_engine_again(folder, tmp_path, monkeypatch):
    """An engine that dies under the service comes back, and the person at the terminal is told."""
    run = Up(tmp_path, monkeypatch)
    async with run:
        before = run.server(folder)
        before.kill()
        await until(lambda: run.server(folder) not in {None, before})
        assert any("ended unexpectedly (ended by SIGKILL); starting it again" in line for line in run.lines)


async def test_up_gives_up_on_an_engine_that_does_not_stay(tmp_path, monkeypatch):
    """An engine that keeps dying ends the service with one line, and the other engine with it."""
    run = Up(tmp_path, monkeypatch)
    monkeypatch.setattr(up_module, "_PAUSE_SECONDS", 0)

    def killed_enough() -> bool:
        if server := run.server("valkey"):
            server.kill()
        return run.task.done()

    with pytest.raises(EmbeddedEngineError, match="Valkey does not stay up"):
        async with run:
            await until(killed_enough)
    assert run.servers() == []


async def test_up_stops_the_engines_when_the_service_fails(tmp_path, monkeypatch):
    """An error of the service reaches the caller, and no server stays."""
    run = Up(tmp_path, monkeypatch)
    with pytest.raises(ZeroDivisionError):
        async with run:
            run.failure.set_exception(ZeroDivisionError())
    assert run.servers() == []


@pytest.mark.parametrize("variable", ["port", "admin_port"])
async def test_up_checks_the_ports_first(variable, tmp_path):
    """A taken port is named with its variable, before any engine starts."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = Settings(**{"port": 0, "admin_port": 0, variable: port}, data_dir=tmp_path / "data")
        with pytest.raises(ConfigError, match=f"^port {port} is in use; set COUNTER_{variable.upper()} or"):
            await up(settings, stop=asyncio.Event(), say=print)
    assert not settings.data_dir.exists()


class Up:
    """`up` in a task, with a service that only waits."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.settings = Settings(port=0, admin_port=0, data_dir=folder)
        self.lines: list[str] = []
        self.stop = asyncio.Event()
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.served: Settings | None = None
        monkeypatch.setattr(up_module, "serve", self._serve)

    async def _serve(self, settings: Settings, *, stop: asyncio.Event, **_rest: object) -> None:
        self.served = settings
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait([stopped, self.failure], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if self.failure.done():
            self.failure.result()

    async def __aenter__(self) -> Self:
        self.task = asyncio.create_task(up(self.settings, stop=self.stop, say=self.lines.append))
        await until(lambda: self.served is not None or self.task.done())
        return self

    async def __aexit__(self, *_error: object) -> None:
        self.stop.set()
        await self.task

    def server(self, folder: str) -> psutil.Process | None:
        """The main process of an engine, as the system sees it."""
        pid_file = {"valkey": "valkey/valkey.pid", "postgres": "postgres/cluster/postmaster.pid"}[folder]
        try:
            process = psutil.Process(int((self.folder / pid_file).read_text().split()[0]))
        except (OSError, IndexError, psutil.NoSuchProcess):
            return None
        return process if process.status() != psutil.STATUS_ZOMBIE else None

    def servers(self) -> list[psutil.Process]:
        """Both main processes, as far as they live."""
        return [server for name in ("valkey", "postgres") if (server := self.server(name))]


async def add_one(engine: Engine) -> int:
    """Add one to a counter that the engine keeps, and return it."""
    add: Callable[[Engine], Awaitable[int]] = (
        _add_in_valkey if isinstance(engine, Valkey) else _add_in_postgres
    )
    return await add(engine)


async def _add_in_valkey(engine: Engine) -> int:
    async with redis.from_url(engine.url) as client:
        return await client.incr("counter")


async def _add_in_postgres(engine: Engine) -> int:
    async with connected(engine) as connection:
        await connection.execute("CREATE TABLE IF NOT EXISTS counter (value bigint)")
        await connection.execute("INSERT INTO counter VALUES (1)")
        return await connection.fetchval("SELECT sum(value)::bigint FROM counter")


@asynccontextmanager
async def connected(engine: Engine):
    connection = await asyncpg.connect(engine.url)
    try:
        yield connection
    finally:
        await connection.close()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for the condition, half a minute at the most."""
    async with asyncio.timeout(30):
        while not condition():  # the condition is another process's
            await asyncio.sleep(0.005)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]
