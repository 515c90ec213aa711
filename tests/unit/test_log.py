"""Logs: lines that cannot be forged, and nothing of a visitor in them."""

import io
import json
import logging
import sys

import pytest
import structlog

from counter.log import set_up_logs

ADDRESS = "203.0.113.77"


@pytest.fixture
def lines(monkeypatch):
    """Set the logs up, and give the lines since then as JSON; afterwards they are as they were."""
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    monkeypatch.setattr(logging, "raiseExceptions", True)
    root, loop = logging.getLogger(), logging.getLogger("asyncio")
    before, levels = root.handlers[:], (root.level, loop.level)
    root.handlers.clear()  # set_up_logs would close them, and they are pytest's
    set_up_logs("DEBUG")
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    root.handlers[:] = before
    root.setLevel(levels[0])
    loop.setLevel(levels[1])
    structlog.reset_defaults()


def fail() -> None:
    """Fail as a parser does that quotes its input, for a reason that quotes it as well."""
    try:
        {}[ADDRESS]
    except KeyError as error:
        raise ValueError(f"cannot read {ADDRESS}") from error


def test_text_cannot_begin_a_line(lines):
    """Whatever is logged is in one JSON object on one line."""
    structlog.get_logger("counter.x").warning("a\n{}\r\n", reason='"}\n{"event": "forged"}\u2028')
    (line,) = lines()
    assert (line["event"], line["level"]) == ("a\n{}\r\n", "warning")


@pytest.mark.parametrize("name", ["counter.http", "aiohttp.server", "asyncio"])
def test_exception_is_told_without_its_words(lines, name):
    """An exception's type, its causes' types and their places are told; their words are not."""
    try:
        fail()
    except ValueError:
        logger = structlog.get_logger(name) if name.startswith("counter") else logging.getLogger(name)
        logger.exception("request broke")
    (line,) = lines()
    assert line["event"] == "request broke"
    assert ADDRESS not in json.dumps(line)
    for told in ("ValueError", "KeyError", "test_log.py", "in fail"):
        assert told in line["exception"]


def test_what_a_library_quotes_is_cut(lines):
    """The HTTP server would log the client's address, the event loop whatever a task failed with."""
    logging.getLogger("aiohttp.server").error("Error handling request from %s", ADDRESS)
    quoting = "\n".join(["Task exception was never retrieved", f"future: <Task {ADDRESS}>"])
    logging.getLogger("asyncio").error(quoting)
    assert [line["event"] for line in lines()] == [
        "Error handling request from",
        "Task exception was never retrieved",
    ]
