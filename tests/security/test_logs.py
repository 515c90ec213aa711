"""Logs are JSON, one object a line, whatever comes from outside; so no line can be forged."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from aiohttp import ClientSession
from hypothesis import given
from hypothesis import strategies as st

from counter import log as log_module
from counter.config import Settings
from tests.acceptance.conftest import PERSON
from tests.acceptance.instance import launcher_of
from tests.security.conftest import send_raw
from tests.security.test_http import MALFORMED

FORGED = '{"event": "forged", "level": "error"}'
TEXTS = st.text(st.characters(exclude_categories=())) | st.sampled_from(
    [
        f"\n{FORGED}\n",
        f"\r\n{FORGED}",
        f"\u2028{FORGED}",
        f"\x85{FORGED}",
        "\ud800",
        "\x1b[2J",
        "\x9b2J",
        "\0",
    ]
)


class Stream(io.TextIOWrapper):
    """What stands for standard error."""

    def __init__(self) -> None:
        self.bytes = io.BytesIO()
        super().__init__(self.bytes, encoding="utf-8", write_through=True)


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stream]:
    """The logs of this process as the service sets them up; afterwards they are as before."""
    stream = Stream()
    root = logging.getLogger()
    before = (root.handlers[:], root.level, logging.getLogger("asyncio").level)
    monkeypatch.setattr(log_module.sys, "stderr", stream)  # type: ignore[attr-defined]
    root.handlers.clear()
    log_module.set_up_logs("DEBUG")
    yield stream
    structlog.reset_defaults()
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    logging.getLogger("asyncio").setLevel(before[2])


def test_any_text_makes_one_line(stream: Stream) -> None:
    """A text with line breaks, controls or surrogates is one line in ASCII, and reads back as it was."""

    @given(TEXTS, TEXTS)
    def log_and_read(event: str, value: str) -> None:
        stream.bytes.seek(0)
        stream.bytes.truncate()
        structlog.get_logger("test").warning(event, value=value)
        logging.getLogger("a.library").error("%s", value)
        written = stream.bytes.getvalue()
        assert all(byte in b"\n" or 32 <= byte < 127 for byte in written)
        ours, theirs = map(json.loads, written.splitlines())
        assert (ours["event"], ours["value"], ours["level"]) == (event, value, "warning")
        assert (theirs["event"], theirs["level"]) == ("", "error")  # what a library quotes is cut

    log_and_read()


def test_exception_is_part_of_its_line(stream: Stream) -> None:
    """A traceback is inside the object, and the error's words, which quote what came in, are not."""
    try:
        int(f"\n{FORGED}\ud800")
    except ValueError:
        structlog.get_logger("test").exception("it broke")
    (line,) = stream.bytes.getvalue().splitlines()
    told = json.loads(line)["exception"]
    assert told.endswith("ValueError")
    assert "forged" not in told


async def test_service_writes_nothing_else(settings: Settings, tmp_path: Path) -> None:
    """A real process that is sent forgeries everywhere writes JSON lines alone, and none with a word of them."""
    async with launcher_of(settings, tmp_path) as launcher:
        instance = await launcher.start(COUNTER_LOG_LEVEL="DEBUG", COUNTER_DEMO="true")
        async with ClientSession() as session:
            for spelt in ("%0A", "%0D%0A", "%E2%80%A8", "%00"):
                for address in (
                    f"/v1/sites/{spelt}forged/widget",
                    f"/forged{spelt}",
                    f"/v1/hits.gif?site=forged{spelt}",
                ):
                    headers = {"User-Agent": f"{PERSON} forged", "Referer": "https://forged.example/"}
                    async with session.get(instance.public + address, headers=headers) as response:
                        assert response.status in {400, 404}
            body = json.dumps({"site": "demo", "path": f"/\u2028{FORGED}"})
            async with session.post(instance.public + "/v1/hits", data=body, headers=headers) as response:
                assert response.status == 200
        for pieces in MALFORMED.values():
            await send_raw(instance.public, pieces.replace(b"X-Marker", b"forged"))
        instance.signal()
        assert await asyncio.wait_for(instance.ended(), 30) == 0
    lines = (tmp_path / "instance-0.log").read_bytes().splitlines()
    assert {"event", "level", "timestamp"} <= set.intersection(*(set(json.loads(line)) for line in lines))
    assert not [line for line in lines if b"forged" in line or b"127.0.0.1" in line]
