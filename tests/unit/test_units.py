"""The units for systemd say what the program understands."""

from collections import defaultdict
from pathlib import Path

import pytest

from counter.config import PREFIX, Settings
from counter.drain import FINISH_SECONDS
from counter.listen import BACKLOG
from counter.supervisor import PUBLIC, roles


@pytest.fixture
def units(here: Path) -> dict[str, list[str]]:
    """All settings of both units; one that occurs twice has two values."""
    found: dict[str, list[str]] = defaultdict(list)
    for file in sorted((here / "deploy" / "systemd").iterdir()):
        for line in file.read_text(encoding="utf-8").splitlines():
            if "=" in line and not line.startswith("#"):
                name, _, value = line.partition("=")
                found[name].append(value)
    return found


def test_socket_is_for_the_visitors(units):
    """The name of the socket is one that the service knows, and as many may wait there as at its own socket."""
    assert roles(units["FileDescriptorName"], 1) == [PUBLIC]
    assert units["Backlog"] == [str(BACKLOG)]
    assert units["Requires"] == ["counter.socket"]


def test_variables_are_settings(units):
    """Every variable that the unit sets is one that the configuration reads, and its value is allowed."""
    pairs = [pair.split("=", 1) for line in units["Environment"] for pair in line.split()]
    ours = {name.removeprefix(PREFIX).lower(): value for name, value in pairs if name.startswith(PREFIX)}
    assert ours.keys() <= Settings.model_fields.keys()
    assert Settings(**ours).spool_dir.is_relative_to(Path("/var/lib") / units["StateDirectory"][0])


def test_time_to_stop(units):
    """The service is not killed before drain, requests, waiting hits and rollup can be done."""
    assert units["KillMode"] == ["mixed"]
    assert int(units["TimeoutStopSec"][0]) > 2 * FINISH_SECONDS + Settings().drain_seconds
