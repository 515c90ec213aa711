"""The commands, as a person types them, on real engines."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from counter.clock import system_clock
from counter.config import Settings
from counter.database import migration_versions
from tests.acceptance.conftest import Running
from tests.rights import OWNER, SERVICE, database_url_of, with_least_rights

LEDGER_REASON = "số của bộ đếm cũ"


class Shell:
    """Runs `counter` against the stores of a test."""

    def __init__(self, settings: Settings) -> None:
        least = with_least_rights(settings)
        self._environment = {
            **os.environ,
            "COUNTER_REDIS_URL": least.redis_url.get_secret_value(),
            "COUNTER_DATABASE_URL": least.database_url.get_secret_value(),
            "COLUMNS": "200",
        }

    async def run(self, *words: str) -> tuple[int, str, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "counter",
            *words,
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        said, complained = await process.communicate()
        return process.returncode or 0, said.decode(), complained.decode()

    async def must(self, *words: str) -> str:
        code, said, complained = await self.run(*words)
        assert code == 0, complained
        return said


@pytest.fixture
def shell(settings: Settings) -> Shell:
    return Shell(settings)


async def test_site_from_add_to_remove(service: Running, shell: Shell) -> None:
    """A site is added, listed, shown, changed and removed; the running service follows at once."""
    said = await shell.must(
        "site", "add", "xa-moi", "--name", "Xã mới", "--host", "xa.example", "--week-start", "sunday"
    )
    assert 'data-site="xa-moi"' in said
    assert "xa.example" in await shell.must("site", "list")
    await shell.must("site", "set", "xa-moi", "--time-zone", "Asia/Kathmandu", "--metric", "views")
    shown = await shell.must("site", "show", "xa-moi")
    assert '<script async src="https://HOST/counter.js" data-site="xa-moi"></script>' in shown
    for line in ("time_zone: Asia/Kathmandu", "week_start: sunday", "metric: views", "hosts: xa.example"):
        assert line in shown
    while (await service.get("/v1/sites/xa-moi/widget")).status == 404:
        pass
    assert (await service.widget("xa-moi"))["meta"]["metric"] == "views"
    await shell.must("site", "set", "xa-moi", "--disable")
    while (await service.get("/v1/sites/xa-moi/widget")).status != 404:
        pass
    await shell.must("site", "remove", "xa-moi", "--yes")
    assert "xa-moi" not in await shell.must("site", "list")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("site", "add", "Bad Key"), "a site's key has 1 to 63 characters"),
        (("site", "add", "portal"), "the site portal exists already"),
        (("site", "add", "x", "--time-zone", "Asia/Hanoi"), "no IANA time zone"),
        (("site", "add", "x", "--visit-timeout", "1"), "visit_timeout_seconds is 60 to 86400"),
        (("site", "add", "x", "--host", "https://a.example"), "a host looks like"),
        (("site", "show", "nobody"), "there is no site nobody"),
        (("site", "set", "nobody", "--name", "x"), "there is no site nobody"),
        (("adjust", "nobody", "--total", "5", "--reason", "x"), "there is no site nobody"),
        (("adjust", "portal", "--total", "5", "--reason", " "), "an adjustment has a reason and an author"),
        (("adjust", "portal", "--reason", "x"), "say either --total or --add"),
    ],
)
async def test_mistakes_are_explained_in_a_line(
    service: Running, shell: Shell, words: tuple[str, ...], complaint: str
) -> None:
    """A mistake on the command line ends with one line that says what is wrong, and changes nothing."""
    code, _said, complained = await shell.run(*words)
    assert code != 0
    assert complaint in complained
    assert "Traceback" not in complained


async def test_opening_balance(service: Running, shell: Shell) -> None:
    """After `adjust --total` the widget's total starts there, goes on by one with a visit, and the ledger says why."""
    service.clock.now_ms = system_clock()  # as the command's own clock says
    await service.hit()
    assert (await service.widget())["total"] == 1
    await shell.must(
        "adjust", "portal", "--total", "412135", "--reason", LEDGER_REASON, "--author", "văn phòng"
    )
    assert (await service.widget())["total"] == 412_135
    assert (await service.widget(metric="views"))["total"] == 412_135
    await service.hit(User_Agent="Mozilla/5.0 (another person) Firefox/140.0")
    found = await service.widget()
    assert (found["total"], found["today"]) == (412_136, 2)
    shown = await shell.must("site", "show", "portal")
    assert LEDGER_REASON in shown
    assert "+412134" in shown
    await shell.must(
        "adjust", "portal", "--add", "-36", "--metric", "visits", "--reason", "a robot", "--author", "x"
    )
    assert (await service.widget())["total"] == 412_100
    assert (await service.widget(metric="views"))["total"] == 412_136


async def test_rollup_once(service: Running, shell: Shell) -> None:
    """`rollup --once` writes what is open, beside a running service, and may be run again."""
    service.clock.now_ms = system_clock()
    await service.hit()
    await shell.must("rollup", "--once")
    assert "total visits: 1" in await shell.must("site", "show", "portal")
    await shell.must("rollup", "--once")
    assert "total visits: 1" in await shell.must("site", "show", "portal")


async def test_migrate_says_that_nothing_is_left(shell: Shell) -> None:
    """Migrating a database that is up to date does nothing."""
    assert await shell.must("migrate") == "the database is up to date\n"


async def test_migrate_goes_back_and_forth(settings: Settings, shell: Shell) -> None:
    """The owner of the tables takes the latest migration back and applies it again; the service's role may not."""
    before, last = migration_versions()[-2:]
    code, _said, complained = await shell.run("migrate", "--back-to", before)
    assert (code, complained.count("\n")) == (1, 1)
    assert "InsufficientPrivilegeError" in complained
    owner = Shell(settings)
    owner._environment["COUNTER_DATABASE_URL"] = database_url_of(
        OWNER, settings.database_url.get_secret_value()
    )
    taken, left = (await owner.must("migrate", "--back-to", before)).splitlines()
    assert taken.startswith(f"took back {last}_")
    assert left.startswith(f"the database is as {before} left it; ")
    assert f"applied {last}_" in await owner.must("migrate", "--grant-to", SERVICE)


async def test_command_on_a_plain_machine(settings: Settings, here: Path, tmp_path: Path) -> None:
    """The script that we ship hands over what stands in the file of the service, whatever characters it has."""
    least = with_least_rights(settings)
    (tmp_path / "counter.env").write_text(
        "# the stores\n\n"
        f"COUNTER_REDIS_URL={least.redis_url.get_secret_value()}\n"
        f"COUNTER_DATABASE_URL={least.database_url.get_secret_value()}&application_name=$(date)#'\n"
        f"COUNTER_SPOOL_DIR={tmp_path / 'spool'}\n"
        "COUNTER_PUBLIC_URL=https://counter.example",
        encoding="utf-8",
    )
    script = (here / "deploy" / "systemd" / "counter.sh").read_text(encoding="utf-8")
    for shown, real in (
        ("/etc/counter/counter.env", str(tmp_path / "counter.env")),
        ("/opt/counter/.venv/bin/python", sys.executable),
        ("PYTHONPATH=/opt/counter", f"PYTHONPATH={here}"),
    ):
        assert shown in script
        script = script.replace(shown, real)
    (tmp_path / "counter").mkdir()  # a folder of this name where somebody stands is not the program
    (tmp_path / "counter" / "__main__.py").write_text("raise SystemExit('another one')")
    for words, set_before, printed in (
        (("site", "add", "portal"), {}, 'src="https://counter.example/counter.js"'),
        (
            ("site", "show", "portal"),
            {"COUNTER_PUBLIC_URL": "https://other.example"},
            "https://other.example",
        ),
        (("doctor", "--json"), {}, str(tmp_path / "spool")),
    ):
        process = await asyncio.create_subprocess_exec(
            "sh", "-c", script, "counter", *words, cwd=tmp_path,
            env={"PATH": os.environ["PATH"], **set_before},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        said, complained = await process.communicate()
        assert printed in said.decode(), complained


async def test_unreachable_database_is_one_line(settings: Settings) -> None:
    """Without its database a command says so in a line."""
    shell = Shell(
        settings.model_copy(
            update={"database_url": type(settings.database_url)("postgresql://127.0.0.1:1/x")}
        )
    )
    code, _said, complained = await shell.run("site", "list")
    assert code == 1
    assert complained.startswith("counter: Postgres: ")
    assert complained.count("\n") == 1


async def test_configuration_page_is_made_from_the_code(shell: Shell, here: Path) -> None:
    """The table in the documentation is the one that the code prints."""
    assert await shell.must("config") in (here / "docs" / "configuration.md").read_text(encoding="utf-8")
