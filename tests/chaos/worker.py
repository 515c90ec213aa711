"""A worker of the harness: the service as `counter serve` runs it, but for its clock and its crashes."""

import ctypes
import os
import signal
from pathlib import Path

import uvloop

from counter.app import serve
from counter.commands.running import say, stop_on_signals
from counter.config import Settings
from counter.log import set_up_logs
from tests.chaos.control import Control
from tests.chaos.power import note_fsyncs

CONTROL = "CHAOS_CONTROL"
NOTES = "CHAOS_NOTES"
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serve until SIGTERM, with what the environment names."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
    os.fsync = note_fsyncs(Path(os.environ[NOTES]))
    settings = Settings.load()
    set_up_logs(settings.log_level)
    uvloop.run(_serve(settings, Control(Path(os.environ[CONTROL]))))


async def _serve(settings: Settings, control: Control) -> None:
    stop = stop_on_signals()
    await serve(
        settings, stop=stop.asked, hurry=stop.hurry, say=say, clock=control.clock, passing=control.passing
    )


if __name__ == "__main__":
    main()
