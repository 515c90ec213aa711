"""A stranger's path: the commands of docs/getting-started.md, typed in their order by a shell."""

import asyncio
import os
import re
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.acceptance.instance import launch

PATIENCE_SECONDS = 120
PAGE = "docs/getting-started.md"
_BLOCK = re.compile(r"<!-- (typed|printed) -->\n```\w+\n(.*?)```", re.DOTALL)
_MARK = "@@@ step"


class Step(NamedTuple):
    """Commands that are typed together, and lines that they must print."""

    typed: str
    printed: tuple[str, ...]


def steps(text: str) -> list[Step]:
    """Return the steps of a page: a block after `<!-- typed -->`, and those after `<!-- printed -->` behind it."""
    found: list[Step] = []
    for kind, body in _BLOCK.findall(text):
        if kind == "typed":
            found.append(Step(body, ()))
        else:
            lines = tuple(line.strip() for line in body.splitlines() if line.strip())
            found[-1] = found[-1]._replace(printed=found[-1].printed + lines)
    return found


def script(path: list[Step], addresses: dict[str, str]) -> str:
    """Return all steps as one script, which tells them apart in what it prints, and stops at a failure."""
    typed = f"\necho '{_MARK}'\n".join(step.typed for step in path)
    for shown, real in addresses.items():
        typed = typed.replace(shown, real)
    return "set -eu -o pipefail\n" + typed


@pytest.fixture
async def installed(tmp_path: Path, here: Path) -> AsyncIterator[dict[str, str]]:
    """What `make run` leaves a stranger with: a folder, and a service in it; tells where it listens."""
    (tmp_path / ".venv").symlink_to(sys.prefix)
    environment = {
        "PYTHONPATH": str(here),
        "COUNTER_DATA_DIR": str(tmp_path / "var"),
        "COUNTER_SPOOL_DIR": str(tmp_path / "var" / "spool"),
        "COUNTER_PORT": "0",
        "COUNTER_ADMIN_PORT": "0",
    }
    with (tmp_path / "up.log").open("wb") as log:
        process = await launch(["-m", "counter", "up"], environment, stdout=PIPE, stderr=log, cwd=tmp_path)
        try:
            said: dict[str, str] = {}
            async with asyncio.timeout(PATIENCE_SECONDS):
                assert process.stdout
                while "readiness" not in said:
                    line = (await process.stdout.readline()).decode()
                    assert line, (tmp_path / "up.log").read_text()
                    what, _, url = line.partition(" ")
                    said[what] = url.strip()
            yield {
                "http://127.0.0.1:8080": said["script"].removesuffix("/counter.js"),
                "http://127.0.0.1:8081": said["readiness"].removesuffix("/readyz"),
            }
        finally:
            if process.returncode is None:
                process.terminate()
            await asyncio.wait_for(process.communicate(), PATIENCE_SECONDS)


async def test_strangers_path(installed: dict[str, str], tmp_path: Path, here: Path) -> None:
    """Whoever types what the page says sees what it says: from nothing to the old total in the widget."""
    path = steps((here / PAGE).read_text(encoding="utf-8"))
    assert len(path) >= 8
    clean = {name: value for name, value in os.environ.items() if not name.startswith("COUNTER_")}
    shell = await asyncio.create_subprocess_exec(
        "bash", "-c", script(path, installed),
        cwd=tmp_path, env={**clean, "PYTHONPATH": str(here), "COLUMNS": "200"}, stdout=PIPE, stderr=STDOUT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert shell.stdout
            said = (await shell.stdout.read()).decode()
            assert await shell.wait() == 0, said
    finally:
        if shell.returncode is None:
            shell.kill()
            await shell.wait()
    printed = said.split(_MARK)
    assert len(printed) == len(path)
    for step, output in zip(path, printed, strict=True):
        for line in step.printed:
            assert line in output, f"{step.typed}\nprinted:\n{output}"


def test_every_block_is_a_step_or_yours(here: Path) -> None:
    """No command of the page is forgotten: each is typed by the test, but `make run`, which starts what it needs."""
    text = (here / PAGE).read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    assert sorted(blocks) == sorted(["make run\n", *(step.typed for step in steps(text))])
