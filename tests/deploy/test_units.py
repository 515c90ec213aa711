"""The systemd units, judged by systemd."""

import shutil

from tests.deploy.running import must


def test_units_are_understood_and_hardened(here, system, tmp_path):
    """Systemd takes both units, and rates the exposure of the service as low."""
    for file in (here / "deploy/systemd").iterdir():
        shutil.copy(file, tmp_path)
    unit = tmp_path / "counter.service"
    # The program of the unit is not installed here; what stands around it is judged.
    text = unit.read_text().replace("/opt/counter/.venv/bin/python", "/bin/sh")
    unit.write_text(text)
    said = must(
        system("systemd-analyze"), "verify", "--recursive-errors=no", unit, tmp_path / "counter.socket"
    )
    assert "Unknown" not in said
    rated = must(
        system("systemd-analyze"), "security", "--offline=true", "--no-pager", "--threshold=15", unit
    )
    assert "Overall exposure level" in rated
