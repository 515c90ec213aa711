"""A stranger's path: the commands of docs/getting-started.md, typed in their order by shells in a fresh clone."""

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

PATIENCE_SECONDS = 60
PAGE = "docs/getting-started.md"
PORTS = ("8080", "8081", "8090", "8091", "9095")
"""Those that the page says; the test takes free ones."""
BEFORE = ("127.0.0.1:", "COUNTER_PORT=", "COUNTER_ADMIN_PORT=")
LOCK = "requirements-dev.lock"
FIRST, SECOND, PROMETHEUS, PRINTED = (
    "typed in the first terminal", "typed", "typed where Prometheus is", "printed",
)  # fmt: skip
_BLOCK = re.compile(rf"<!-- ({FIRST}|{PROMETHEUS}|{SECOND}|{PRINTED}) -->\n```\w+\n(.*?)```", re.DOTALL)
_MARK = "@@@ step"
_QUERY = re.compile(r"'query=(.*?)'|\"(select .*?)(?<!\\)\"\n", re.DOTALL)


class Step(NamedTuple):
    """Commands that are typed together, where, and lines that they must print."""

    where: str
    typed: str
    printed: tuple[str, ...]


def steps(text: str) -> list[Step]:
    """Return the steps of a page: each block that is typed, and those after `<!-- printed -->` behind it."""
    found: list[Step] = []
    for kind, body in _BLOCK.findall(text):
        if kind == PRINTED:
            lines = tuple(line.strip() for line in body.splitlines() if line.strip())
            found[-1] = found[-1]._replace(printed=found[-1].printed + lines)
        else:
            found.append(Step(kind, body, ()))
    return found


class Stranger:
    """Somebody with two terminals, who begins in an empty folder.

    Args:
        folder: where the typing begins.
        environment: of both terminals.
        addresses: what the page shows, and what stands for it here.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], addresses: Mapping[str, str]) -> None:
        self.clone = folder / "counter"
        self._folder = folder
        self._environment = environment
        self._addresses = addresses
        self._first: Process | None = None
        self._second: Process | None = None

    async def type(self, step: Step) -> str:
        """Type a step, wait until its prompt comes back or the service is ready, and return what was printed."""
        typed = step.typed
        for shown, real in self._addresses.items():
            typed = typed.replace(shown, real)
        return await (self._type_first(typed) if step.where == FIRST else self._type_second(typed))

    async def _type_first(self, typed: str) -> str:
        await self.interrupt()
        self._first = await self._shell("-euc", typed, cwd=self.clone)
        return await self._until(self._first, "readiness")

    async def _type_second(self, typed: str) -> str:
        if self._second is None:
            self._second = await self._shell("-s", cwd=self._folder, stdin=PIPE)
            self._say("set -eu -o pipefail\n")
        self._say(f"{typed}\necho '{_MARK}'\n")
        return await self._until(self._second, _MARK)

    async def _shell(self, *words: str, **options: Any) -> Process:
        return await asyncio.create_subprocess_exec(
            "bash", *words, env=self._environment, stdout=PIPE, stderr=STDOUT, start_new_session=True, **options
        )  # fmt: skip

    def _say(self, text: str) -> None:
        assert self._second
        assert self._second.stdin
        self._second.stdin.write(text.encode())

    @staticmethod
    async def _until(shell: Process, mark: str) -> str:
        assert shell.stdout
        said = ""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while mark not in said:
                    line = (await shell.stdout.readline()).decode()
                    said += line
                    assert line, said
        except TimeoutError:
            raise AssertionError(f"it did not come to its end: {said}") from None
        return said.partition(mark)[0]

    async def interrupt(self) -> None:
        """Press Ctrl-C in the first terminal, and wait until its prompt comes back."""
        if self._first and self._first.returncode is None:
            os.killpg(self._first.pid, signal.SIGINT)
            await asyncio.wait_for(self._first.communicate(), PATIENCE_SECONDS)

    async def leave(self) -> None:
        """Close both terminals; what still runs in them ends."""
        await self.interrupt()
        if self._second and self._second.returncode is None:
            os.killpg(self._second.pid, signal.SIGTERM)
            await asyncio.wait_for(self._second.communicate(), PATIENCE_SECONDS)


@asynccontextmanager
async def stranger_in(
    folder: Path, environment: Mapping[str, str], addresses: Mapping[str, str]
) -> AsyncIterator[Stranger]:
    somebody = Stranger(folder, environment, addresses)
    try:
        yield somebody
    finally:
        await somebody.leave()


@pytest.fixture
def origin(here: Path, tmp_path: Path) -> Path:
    """A repository with what is in this folder, committed or not."""
    root = tmp_path / "origin"
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, cwd=here, capture_output=True, check=True).stdout.decode().split("\0"):
        if name and (here / name).exists():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(here / name, root / name)
    git(root, "init", "--quiet", "--initial-branch=main")
    commit(root)
    return root


def git(root: Path, *words: str) -> None:
    who = ("-c", "user.name=nobody", "-c", "user.email=nobody@portal.example")
    subprocess.run(["git", *who, *words], cwd=root, check=True, capture_output=True)


def commit(root: Path) -> None:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message=a version")


def install_already(clone: Path) -> None:
    """Leave what `make run` installs at first, so that it needs no network here: the packages of this very Python."""
    venv = clone / ".venv"
    venv.mkdir()
    for name in ("bin", "lib", "pyvenv.cfg"):
        (venv / name).symlink_to(Path(sys.prefix) / name)
    lock = (clone / LOCK).read_text(encoding="utf-8")
    (venv / f"{LOCK}.stamp").write_text(f"{clone}\n{lock}", encoding="utf-8")


def release(root: Path) -> None:
    """Let there be a new version, with a migration that only the upgrade brings."""
    text = "-- migrate:up\ncreate table of_the_upgrade ();\n-- migrate:down\ndrop table of_the_upgrade;\n"
    (root / "sql" / "migrations" / "9999_of_the_upgrade.sql").write_text(text, encoding="utf-8")
    commit(root)


def free_ports() -> dict[str, str]:
    """Return a free port for each that the page shows, in the words around it."""
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in PORTS]
    found = {shown: each.getsockname()[1] for shown, each in zip(PORTS, taken, strict=True)}
    for each in taken:
        each.close()
    return {f"{before}{shown}": f"{before}{port}" for shown, port in found.items() for before in BEFORE}


async def test_strangers_path(origin: Path, tmp_path: Path, here: Path) -> None:
    """Whoever types what the page says sees what it says: from nothing to old totals, a restored copy, an upgrade."""
    path = f"{os.environ['PATH']}:{here / '.venv' / 'prometheus' / 'usr' / 'bin'}"
    has_prometheus = shutil.which("prometheus", path=path)
    typed = [
        step
        for step in steps((here / PAGE).read_text(encoding="utf-8"))
        if has_prometheus or step.where != PROMETHEUS
    ]
    assert len(typed) >= 20
    ports = free_ports()
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("COUNTER_", "MAKE"))}
    environment = {
        **clean, "PATH": path, "COLUMNS": "200", "PAGER": "cat",
        "COUNTER_PORT": ports["127.0.0.1:8080"].partition(":")[2],
        "COUNTER_ADMIN_PORT": ports["127.0.0.1:8081"].partition(":")[2],
    }  # fmt: skip
    async with stranger_in(tmp_path, environment, {**ports, "clone URL": f"clone {origin}"}) as somebody:
        for step in typed:
            if step.where == FIRST and (somebody.clone / ".venv").exists():
                release(origin)
            elif step.where == FIRST:
                install_already(somebody.clone)
            said = await somebody.type(step)
            for line in step.printed:
                assert line in said, f"{step.typed}\nprinted:\n{said}"
        upgraded = Step(SECOND, 'psql "$COUNTER_DATABASE_URL" --command "table of_the_upgrade"\n', ())
        assert "(0 rows)" in await somebody.type(upgraded)


def test_every_block_is_a_step(here: Path) -> None:
    """No command of the page is forgotten."""
    text = (here / PAGE).read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    assert blocks == [step.typed for step in steps(text)]


def test_panels_of_the_page_are_those_of_the_dashboards(here: Path) -> None:
    """Each query that the page asks is what Grafana asks for a panel, once its variables have their values."""
    text = (here / PAGE).read_text(encoding="utf-8")
    asked = {(promql or sql).replace('\\"', '"').replace("\\\n", "") for promql, sql in _QUERY.findall(text)}
    dashboards = (here / "deploy" / "grafana" / "dashboards").glob("*.json")
    panels = [
        panel for file in dashboards for panel in json.loads(file.read_text(encoding="utf-8"))["panels"]
    ]
    values = {
        "$site": "portal", "$metric": "visits",
        "$__timeFrom()": "'2025-01-01'", "$__timeTo()": "'2025-12-31'",
    }  # fmt: skip
    known = set()
    for target in [target for panel in panels for target in panel.get("targets", [])]:
        query = target.get("expr") or target["rawSql"]
        for name, value in values.items():
            query = query.replace(name, value)
        known.add(query)
    assert len(asked) == 3
    assert asked <= known
