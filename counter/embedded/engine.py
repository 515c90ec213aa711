"""What Valkey and Postgres have in common here: start, stop, kill, and start again on the same data."""

import abc
import asyncio
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from counter.embedded.account import Account
from counter.embedded.folder import writable
from counter.embedded.leftovers import stop_leftovers
from counter.embedded.process import POLL_SECONDS, Process
from counter.errors import EmbeddedEngineError


class Engine(abc.ABC):
    """A server on its own folder; the data are there again after any end of it.

    Args:
        data_dir: the engine's folder; it is made when it is missing.
        options: further arguments for the server.
    """

    label: ClassVar[str]
    program: ClassVar[str]
    stop_signal: ClassVar[signal.Signals]
    start_seconds: float = 120.0
    stop_seconds: float = 60.0

    def __init__(self, data_dir: Path, *, options: Sequence[str] = ()) -> None:
        self.data_dir = data_dir.resolve()
        self.log = self.data_dir / f"{self.program}.log"
        self._sockets = self.data_dir
        self._options = tuple(options)
        self._account: Account | None = None
        self._process: Process | None = None

    @property
    @abc.abstractmethod
    def url(self) -> str:
        """Where clients connect; valid once it has started."""

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        if self._process is None:
            raise EmbeddedEngineError(f"{self.label} is not running")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the server's process lives."""
        return self._process is not None and self._process.exit_code is None

    async def start(self) -> None:
        """Start the server and wait until it answers.

        Raises:
            EmbeddedEngineError: it did not; the message says why and what to do.
        """
        if self.running:
            return
        with writable(self.data_dir):
            self.data_dir.mkdir(parents=True, exist_ok=True)
            await self._prepare()
            self._process = self._launch(self._command())
        try:
            await self._until_it_answers(self._process)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop the server cleanly: nothing that it has acknowledged is lost."""
        if self._process is not None:
            await self._process.end(self.stop_signal, within_seconds=self.stop_seconds)
            self._process = None
            with suppress(OSError):
                self._sockets.rmdir()

    def kill(self) -> None:
        """End the server as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    async def ended(self) -> str:
        """Wait until the server has ended by itself, and return its last words."""
        if (process := self._process) is None:
            return "not running"
        await process.ended()
        return process.last_words()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @abc.abstractmethod
    async def _prepare(self) -> None:
        """Make the folder ready: owner, leftovers, first data, place of the socket."""

    @abc.abstractmethod
    def _command(self) -> list[str]:
        """The server's command line."""

    @abc.abstractmethod
    async def _answers(self) -> bool:
        """Whether the server is ready for clients; an `OSError` means not yet."""

    def _launch(self, command: Sequence[str]) -> Process:
        try:
            return Process(command, log=self.log, account=self._account, orphaned=self.stop_signal)
        except OSError as error:
            if error.filename != command[0]:
                raise
            raise EmbeddedEngineError(f"{self.label} cannot be run on this machine: {error}") from error

    async def _clear(self, folder: Path, pid_file: Path) -> None:
        """Stop what still works on `folder`; only then are its pid file and its socket known to be stale."""
        await stop_leftovers(folder, program=self.program, pid_file=pid_file, with_signal=self.stop_signal)
        for stale in (pid_file, *self._sockets.iterdir()):
            stale.unlink(missing_ok=True)

    async def _until_it_answers(self, process: Process) -> None:
        try:
            async with asyncio.timeout(self.start_seconds):
                while not await self._is_ready():
                    if process.exit_code is not None:
                        raise self._failed("did not start", process)
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            raise self._failed(f"did not answer within {self.start_seconds:.0f} s", process) from None

    async def _is_ready(self) -> bool:
        try:
            return await self._answers()
        except OSError:
            return False

    def _failed(self, what: str, process: Process) -> EmbeddedEngineError:
        return EmbeddedEngineError(f"{self.label} {what}: {process.last_words()} (see {self.log})")
