"""The bench of imports works; it asserts no speed."""

from bench.__main__ import measure
from bench.bare_log import parse
from bench.figures import Rounds
from bench.importing import log_lines


async def test_import_is_measured():
    """A short round imports a whole log by the command, beside a bare parse of all its lines."""
    (figure,) = await measure(["import"], Rounds(1, 0.03))
    assert figure.value > 0
    assert len(figure.raw) == 1


def test_reference_reads_every_line(tmp_path):
    """A bare parse that gave up on lines would be no reference; the lines are the same each time."""
    log = tmp_path / "access.log"
    log.write_text("".join(log_lines(2000)), encoding="utf-8")
    assert log.read_text(encoding="utf-8") == "".join(log_lines(2000))
    assert parse(log) == 2000
