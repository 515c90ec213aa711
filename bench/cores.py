"""Which core does what: the service has one for itself, so that its speed can be told."""

import os
import shutil
from pathlib import Path

CORES = sorted(os.sched_getaffinity(0))
SERVICE_CORE = CORES[0]
LOAD_CORE = CORES[-1]
"""Load and stores share it, as on the smallest machine with two cores."""


def pinned(core: int | None) -> list[str]:
    """Return the words before a command that keep it on a core; none where the system may choose."""
    return ["taskset", "--cpu-list", str(core)] if core is not None and shutil.which("taskset") else []


def pin(process: int, core: int) -> None:
    """Keep a process that runs, with its threads, on a core."""
    for thread in os.listdir(f"/proc/{process}/task"):
        os.sched_setaffinity(int(thread), {core})


def resident_mb(process: int) -> float:
    """Return the memory of a process, in MB."""
    with open(f"/proc/{process}/statm", encoding="ascii") as file:  # noqa: PTH123 - no file on a disk
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def cpu_seconds(process: int) -> float:
    """Return the time that a process has had on all cores, in seconds."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def family(process: int) -> list[int]:
    """Return a process and all that it has started, and these."""
    found = [process]
    for each in found:
        for task in Path(f"/proc/{each}/task").iterdir():
            found += map(int, (task / "children").read_text(encoding="ascii").split())
    return found
