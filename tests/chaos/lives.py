"""Workers as processes: started, killed, stopped, replaced, and started again when they end."""

import asyncio
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from counter.background import end
from tests.chaos.control import Control
from tests.proxy import Link

ROOT: Final = Path(__file__).parents[2]
POLL_SECONDS: Final = 0.02
AGAIN_SECONDS: Final = 0.3
_SAYS_WHERE: Final = b"script "


class Life:
    """One process of a worker, from its start to its end.

    Attributes:
        url: where it listens; empty until it does.
        asked: to end.
    """

    def __init__(self, environment: Mapping[str, str], log: IO[bytes]) -> None:
        self.url = ""
        self.asked = False
        self._log = log
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.worker"],
            cwd=ROOT,
            env={"PATH": os.defpath, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        # What it says goes through a pipe, so that a limit on its files does not reach its log.
        self._follower = threading.Thread(target=self._follow, daemon=True)
        self._follower.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def code(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._process.poll()

    @property
    def mishap(self) -> str:
        """What is wrong about how it ended; empty if nothing is."""
        code = self.code
        expected = {0, -signal.SIGKILL} if self.asked else {-signal.SIGKILL}
        if not self.url:
            expected |= {1, -signal.SIGTERM}  # it found no Postgres, or was asked before it could listen
        return "" if code in expected else f"process {self.pid} ended with {code}"

    def send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    def kill(self) -> None:
        self.send(signal.SIGKILL)
        self._process.wait()

    def ask_to_end(self) -> None:
        self.asked = True
        self.send(signal.SIGCONT)
        self.send(signal.SIGTERM)

    def limit_files(self, size: int) -> None:
        """Let no file of the process grow beyond a size, as on a full disk."""
        with suppress(ProcessLookupError):
            resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def close(self) -> None:
        """End it if it runs, and read what it said last."""
        if self.code is None:
            self.kill()
        self._follower.join()
        self._process.stdout.close()

    def _follow(self) -> None:
        for line in self._process.stdout:
            self._log.write(line)
            self._log.flush()
            if line.startswith(_SAYS_WHERE):
                self.url = line.split()[1].decode().removesuffix("/counter.js")


class Slot:
    """A worker as its clients see it: one life after another.

    Attributes:
        number: of the worker.
        control: its clock and its crashes.
        redis, postgres: its links.
        holds: while above 0, an ended process is not replaced.
        mishaps: about processes that ended as none may.
    """

    def __init__(
        self,
        number: int,
        environment: Mapping[str, str],
        control: Control,
        *,
        redis: Link,
        postgres: Link,
        log: Path,
    ) -> None:
        self.number = number
        self.control = control
        self.redis = redis
        self.postgres = postgres
        self.holds = 0
        self.mishaps: list[str] = []
        self._environment = environment
        self._log = log.open("ab")
        self._lives: list[Life] = []
        self._supervisor = asyncio.create_task(self._supervise(), name=f"worker {number}")

    @property
    def life(self) -> Life | None:
        """The process that clients reach, if there is one."""
        return self._lives[-1] if self._lives and self._lives[-1].code is None else None

    @property
    def url(self) -> str:
        """Where it listens now; empty if it does not."""
        return self.life.url if self.life else ""

    def link(self, store: str) -> Link:
        return self.redis if store == "redis" else self.postgres

    def kill(self) -> None:
        """End every process of this worker at once."""
        for life in self._lives:
            if life.code is None:
                life.kill()

    def signal(self, number: signal.Signals) -> None:
        if self.life:
            self.life.send(number)

    def replace(self) -> None:
        """Ask the process to end, and start its successor at the same time."""
        if self.life:
            self.life.ask_to_end()
        self._start()

    async def stop(self) -> None:
        """Ask the process to end, and wait until all have."""
        self.holds += 1
        for life in self._lives:
            if life.code is None:
                life.ask_to_end()
        while any(life.code is None for life in self._lives):
            await asyncio.sleep(POLL_SECONDS)

    async def close(self) -> None:
        """End everything."""
        await end(self._supervisor)
        for life in self._lives:
            life.close()
            if life.mishap:
                self.mishaps.append(f"worker {self.number}: {life.mishap}")
        self._log.close()
        self.control.close()

    async def _supervise(self) -> None:
        while True:
            if self.life is None and not self.holds:
                await self._start_again()
            await asyncio.sleep(POLL_SECONDS)

    async def _start_again(self) -> None:
        if self._lives and not self._lives[-1].url:
            await asyncio.sleep(AGAIN_SECONDS)  # it could not start: its successor may neither
        if not self.holds:
            self._start()

    def _start(self) -> None:
        self._lives.append(Life(self._environment, self._log))
