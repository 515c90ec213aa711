"""`counter up`: both engines and the service in one command, on one folder."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote

from pydantic import SecretStr

from counter.app import serve
from counter.config import Settings
from counter.embedded.engine import Engine
from counter.embedded.folder import exclusive, writable
from counter.embedded.ports import require_free_ports
from counter.embedded.postgres import Postgres
from counter.embedded.valkey import Valkey
from counter.embedded.wheels import postgres_programs
from counter.errors import EmbeddedEngineError

_TRIES, _TRIES_SECONDS = 5, 60.0
_PAUSE_SECONDS = 1.0
_GRACE_SECONDS = 30.0
DRAIN_SECONDS = 0.5
"""At a terminal Ctrl-C ends it soon, though a browser keeps its connections open."""


async def up(
    settings: Settings, *, stop: asyncio.Event, say: Callable[[str], None], stores_only: bool = False
) -> None:
    """Run Valkey, Postgres and the service until `stop` is set; then end them in the opposite order.

    Args:
        settings: `data_dir` holds the data; the addresses of Redis and Postgres are replaced by our own.
        stop: set it to end everything cleanly.
        say: takes each line for the person at the terminal.
        stores_only: leaves the service out.

    Raises:
        ConfigError: a port is taken.
        EmbeddedEngineError: the folder or an engine cannot be used.
    """
    if not stores_only:
        require_free_ports(settings)
    with exclusive(settings.data_dir):
        valkey = Valkey(settings.data_dir / "valkey")
        postgres = Postgres(settings.data_dir / "postgres")
        say(f"starting Valkey and Postgres in {settings.data_dir}")
        try:
            await _start_all(valkey, postgres)
            with _addresses_in(settings.data_dir, valkey, postgres) as file:
                say(f"for other commands, in another terminal:  . {file}")
                addresses = {"redis_url": SecretStr(valkey.url), "database_url": SecretStr(postgres.url)}
                spool = {"spool_dir": settings.data_dir / "spool"}
                quick = {"drain_seconds": min(settings.drain_seconds, DRAIN_SECONDS)}
                ours = settings.model_copy(update={**addresses, **spool, **quick, "demo": True})
                work = _wait(stop) if stores_only else serve(ours, stop=stop, say=say)
                await _work_on(valkey, postgres, work=work, stop=stop, say=say)
            say(f"stopping Valkey and Postgres; the data stay in {settings.data_dir}")
        finally:
            await asyncio.gather(valkey.stop(), postgres.stop())


async def _start_all(*engines: Engine) -> None:
    outcomes = await asyncio.gather(*(engine.start() for engine in engines), return_exceptions=True)
    for outcome in outcomes:
        if outcome is not None:
            raise outcome


@contextmanager
def _addresses_in(folder: Path, valkey: Valkey, postgres: Postgres) -> Iterator[Path]:
    """Keep a file for the shell: with it `counter` finds the engines and the spool, and the shell `psql`."""
    file = folder / "env"
    unfinished = folder / "env.unfinished"
    with writable(file):
        unfinished.write_text(
            f"export COUNTER_REDIS_URL={quote(valkey.url)}\n"
            f"export COUNTER_DATABASE_URL={quote(postgres.url)}\n"
            f"export COUNTER_SPOOL_DIR={quote(str(folder.resolve() / 'spool'))}\n"
            f'export PATH="$PATH":{quote(str(postgres_programs()))}\n',
            encoding="utf-8",
        )
        unfinished.replace(file)
    try:
        yield file
    finally:
        file.unlink(missing_ok=True)


async def _wait(stop: asyncio.Event) -> None:
    await stop.wait()


async def _work_on(
    *engines: Engine, work: Coroutine[None, None, None], stop: asyncio.Event, say: Callable[[str], None]
) -> None:
    """Do the work, and start an engine again that ends; when that does not help, stop the work."""
    working = asyncio.create_task(work)
    keepers = [asyncio.create_task(_keep_running(engine, say)) for engine in engines]
    tasks = [working, *keepers]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():  # an engine cannot be kept running
            stop.set()
            await asyncio.wait([working], timeout=_GRACE_SECONDS)
        for task in reversed(tasks):
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _keep_running(engine: Engine, say: Callable[[str], None]) -> None:
    """Start the engine again whenever it has ended.

    Raises:
        EmbeddedEngineError: it ended too often.
    """
    clock = asyncio.get_running_loop().time
    ends: deque[float] = deque(maxlen=_TRIES)
    while True:
        reason = await engine.ended()
        ends.append(clock())
        if len(ends) == _TRIES and ends[-1] - ends[0] < _TRIES_SECONDS:
            raise EmbeddedEngineError(f"{engine.label} does not stay up: {reason} (see {engine.log})")
        say(f"{engine.label} ended unexpectedly ({reason}); starting it again")
        try:
            await engine.start()
        except EmbeddedEngineError as error:
            say(str(error))
            await asyncio.sleep(_PAUSE_SECONDS)
