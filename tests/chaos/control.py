"""A worker's clock and its crashes, set from outside through a few shared bytes."""

import mmap
import os
import signal
from pathlib import Path
from struct import Struct
from typing import Final

from counter.clock import system_clock
from counter.steps import Step

_FORM: Final = Struct("<qii")
_STEPS: Final = list(Step)
_NOWHERE: Final = -1


class Control:
    """What the harness tells a worker while it runs: how wrong its clock is, and where it ends.

    Args:
        path: of a file that both map into their memory; it is made when it is missing.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(_FORM.pack(0, _NOWHERE, 0))
        with path.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), _FORM.size)

    @property
    def offset_ms(self) -> int:
        """Milliseconds from the machine's time to the worker's."""
        offset_ms: int = self._read()[0]
        return offset_ms

    @offset_ms.setter
    def offset_ms(self, value: int) -> None:
        self._write(value, *self._read()[1:])

    @property
    def armed(self) -> bool:
        """Whether a crash is still to come."""
        return bool(self._read()[1] != _NOWHERE)

    def crash_at(self, step: Step | None, times: int = 1) -> None:
        """End the worker when it passes a step for the `times`-th time from now on; None: nowhere."""
        number = _NOWHERE if step is None else _STEPS.index(step)
        self._write(self._read()[0], number, times)

    def clock(self) -> int:
        """Return the worker's time."""
        return system_clock() + self.offset_ms

    def passing(self, step: Step) -> None:
        """End this process by SIGKILL if it is to end at this step."""
        offset_ms, number, times = self._read()
        if number == _NOWHERE or _STEPS[number] is not step:
            return
        if times > 1:
            self._write(offset_ms, number, times - 1)
            return
        self._write(offset_ms, _NOWHERE, 0)
        os.kill(os.getpid(), signal.SIGKILL)

    def close(self) -> None:
        """Give the shared bytes up."""
        self._shared.close()

    def _read(self) -> tuple[int, int, int]:
        offset_ms, number, times = _FORM.unpack(self._shared[:])
        return offset_ms, number, times

    def _write(self, offset_ms: int, number: int, times: int) -> None:
        self._shared[:] = _FORM.pack(offset_ms, number, times)
