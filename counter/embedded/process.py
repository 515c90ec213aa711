"""One child process: a session of its own, a log of its own, and it ends when we do."""

import asyncio
import ctypes
import os
import re
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from counter.embedded.account import Account

POLL_SECONDS = 0.02
_PR_SET_PDEATHSIG = 1
_LOG_KEPT_BYTES = 4 * 1024 * 1024
_COMPLAINT = re.compile(r"fatal|panic|error|can't|cannot|could not", re.IGNORECASE)


class Process:
    """A running command, whose output goes to `log`.

    It sees neither our environment nor the signals of our terminal. Start it in the thread that lives as
    long as the program: "die with the parent" is tied to the thread.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        account: Account | None = None,
        orphaned: signal.Signals = signal.SIGTERM,
    ) -> None:
        if log.exists() and log.stat().st_size > _LOG_KEPT_BYTES:
            log.replace(log.with_suffix(".log.old"))
        with log.open("ab") as output, warnings.catch_warnings():
            # Python 3.12 warns of a fork beside threads; what runs before the exec takes no lock.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._log, self._log_start = log, output.seek(0, os.SEEK_END)
            self._child = subprocess.Popen(  # noqa: S603
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=log.parent,
                env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
                start_new_session=True,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
                preexec_fn=_die_with_parent(orphaned),  # noqa: PLW1509
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._child.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code, negative for a signal; `None` while it runs."""
        return self._child.poll()

    async def ended(self) -> int:
        """Wait until it has ended, and return its exit code."""
        while (code := self.exit_code) is None:  # noqa: ASYNC110  # portable, and it works in any loop
            await asyncio.sleep(POLL_SECONDS)
        return code

    async def end(self, with_signal: signal.Signals, *, within_seconds: float) -> None:
        """Ask it to end, and make it end when it takes too long."""
        self._child.send_signal(with_signal)
        try:
            async with asyncio.timeout(within_seconds):
                await self.ended()
        except TimeoutError:
            self.kill()

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self._child.kill()
        self._child.wait()

    def last_words(self) -> str:
        """Return why it ended, in one line: the signal, or what its log complains of last."""
        code = self.exit_code
        if code is not None and code < 0:
            return f"ended by {signal.Signals(-code).name}"
        with self._log.open("rb") as log:
            log.seek(self._log_start)
            lines = [line.strip() for line in log.read().decode(errors="replace").splitlines()]
        complaints = [line for line in lines if _COMPLAINT.search(line)] or [line for line in lines if line]
        return complaints[-1] if complaints else f"exit code {code}"


def _die_with_parent(with_signal: signal.Signals) -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def arrange() -> None:
        prctl(_PR_SET_PDEATHSIG, int(with_signal))
        if os.getppid() != parent:  # it ended before the kernel knew of our wish
            os._exit(1)

    return arrange
