"""`counter backup` and `counter restore`: what comes back in an empty system is the same, or nothing comes back."""

import asyncio
import json
import os
import sys
import tarfile
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
import yaml
from aiohttp import ClientSession
from pydantic import SecretStr
from redis.asyncio import Redis

from counter.backups.archive import unpack_archive
from counter.backups.backup import Backup
from counter.backups.manifest import Figures, check_equal
from counter.backups.programs import Program, find_program, reachable, run_program
from counter.clock import system_clock
from counter.commands.running import counts
from counter.config import Settings
from counter.database import connected, migrate
from counter.embedded.postgres import Postgres
from counter.embedded.valkey import Valkey
from counter.embedded.wheels import postgres_programs
from counter.errors import BackupError
from tests.acceptance.conftest import PERSON, Running, SetClock, running
from tests.acceptance.test_commands import Shell
from tests.rights import OWNER, PASSWORD, database_url_of

HITS = 60


class RealClock(SetClock):
    """The machine's clock, as the commands have it."""

    def __call__(self) -> int:
        return system_clock()


@pytest.fixture(scope="session")
async def second_valkey(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> AsyncIterator[Valkey]:
    """A server that knows the users that we ship, and beside them the tests' own."""
    folder = tmp_path_factory.mktemp("second-valkey")
    users = (request.config.rootpath / "deploy" / "valkey.acl").read_text(encoding="utf-8")
    users = users.replace("PASSWORD", PASSWORD).replace(
        "user default off", "user default on nopass ~* &* +@all"
    )
    await asyncio.to_thread((folder / "users.acl").write_text, users, encoding="utf-8")
    async with Valkey(folder, options=("--aclfile", str(folder / "users.acl"))) as engine:
        yield engine


@pytest.fixture(scope="session")
async def second_postgres(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Postgres]:
    async with Postgres(tmp_path_factory.mktemp("second-postgres"), options=("-c", "fsync=off")) as engine:
        yield engine


@pytest.fixture
async def empty(
    settings: Settings, second_valkey: Valkey, second_postgres: Postgres, tmp_path: Path, here: Path
) -> Settings:
    """A second system of other servers, without anything in it."""
    name = "restored"
    address = second_postgres.url.replace("/counter?", f"/{name}?")
    async with connected(second_postgres.url) as connection:
        await connection.execute(f"drop database if exists {name} with (force)")
        await connection.execute(f"create database {name}")
    async with connected(address) as connection:
        await connection.execute((here / "deploy" / "postgres-roles.sql").read_text(encoding="utf-8"))
    async with Redis.from_url(second_valkey.url) as client:
        await client.flushall()
    return settings.model_copy(
        update={
            "redis_url": SecretStr(second_valkey.url),
            "database_url": SecretStr(address),
            "spool_dir": tmp_path / "second-spool",
        }
    )


class Owner(Shell):
    """Runs `counter` as who owns the tables, and with the Redis user of the service."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        url = database_url_of(OWNER, settings.database_url.get_secret_value())
        self._environment |= {"COUNTER_DATABASE_URL": url, "COUNTER_SPOOL_DIR": str(settings.spool_dir)}

    async def restore_as_compose_does(self, here: Path, file: Path, folder: Path) -> str:
        """Run what the service `restore` of deploy/compose.yaml runs, with a backup as its input."""
        compose = yaml.safe_load((here / "deploy" / "compose.yaml").read_text(encoding="utf-8"))
        command = [word.replace("$$", "$") for word in compose["services"]["restore"]["entrypoint"]]
        programs, temporary = folder / "programs", folder / "temporary"
        programs.mkdir()
        temporary.mkdir()
        (programs / "counter").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m counter "$@"\n')
        (programs / "counter").chmod(0o755)
        path = f"{programs}:{os.environ['PATH']}"
        with file.open("rb") as backup:
            process = await asyncio.create_subprocess_exec(
                *command, env={**self._environment, "PATH": path, "TMPDIR": str(temporary)},
                stdin=backup, stdout=PIPE, stderr=PIPE,
            )  # fmt: skip
            said, complained = await process.communicate()
        assert process.returncode == 0, complained.decode()
        assert list(temporary.iterdir()) == []
        return said.decode()


async def hit_once(session: ClientSession, service: Running, number: int) -> int:
    body = json.dumps({"site": "portal", "path": f"/{number % 7}"})
    headers = {"User-Agent": f"{PERSON} {number % 11}", "Content-Type": "text/plain"}
    async with session.post(service.public + "/v1/hits?quiet=1", data=body, headers=headers) as response:
        await response.read()
        return response.status


async def test_restored_system_is_equal(
    settings: Settings, empty: Settings, tmp_path: Path, here: Path
) -> None:
    """Made under load, with the service's own rights, a backup has every hit that was acknowledged before it."""
    file = tmp_path / "backup.tar"
    clock = RealClock()
    async with running(settings, clock) as service, ClientSession() as session:
        await service.add_site(name="Cổng", time_zone="Asia/Kathmandu")
        await service.add_site("ward")
        assert {await hit_once(session, service, number) for number in range(HITS)} == {204}
        shell = Owner(settings)
        await shell.must("adjust", "portal", "--add", "1000", "--reason", "x", "--author", "y")
        stop, sent = asyncio.Event(), 0

        async def load() -> None:
            nonlocal sent
            while not stop.is_set():
                assert await hit_once(session, service, sent) == 204
                sent += 1

        async with asyncio.TaskGroup() as group:
            group.create_task(load())
            while sent < HITS:
                await asyncio.sleep(0)
            before = HITS + sent
            await Shell(settings).must("backup", str(file))
            after = HITS + sent + 1
            stop.set()
    assert file.stat().st_mode & 0o777 == 0o600

    restored = Owner(empty)
    said = await restored.restore_as_compose_does(here, file, tmp_path)
    assert "2 sites restored; all figures are those of the backup" in said
    assert "checks are good, for 2 sites" in said
    async with connected(empty.database_url.get_secret_value()) as connection:
        (views,) = await connection.fetchrow("select views - 1000 from site_totals where site = 'portal'")
        assert before <= views <= after
        assert await connection.fetchval("select sum(views) from page_aggregates") == views
        assert await connection.fetchval("select name from sites where key = 'portal'") == "Cổng"
    # The restored system goes on counting where it was.
    async with running(empty, clock) as service, ClientSession() as session:
        while (await service.get("/v1/sites/portal/pages?path=/")).status == 404:
            pass
        assert (await service.widget(metric="views"))["total"] == views + 1000
        assert await hit_once(session, service, 1) == 204
        assert (await service.widget(metric="views"))["total"] == views + 1001
        assert "checks are good, for 2 sites" in await Shell(empty).must("check")
        for words, complaint in (
            (("restore", str(file)), "Redis is not empty: it has counts of portal"),
            (("backup", "/nowhere/x.tar"), "/nowhere/x.tar cannot be written"),
        ):
            code, _said, complained = await restored.run(*words)
            assert (code, complaint in complained) == (1, True), complained
    async with Redis.from_url(empty.redis_url.get_secret_value()) as client:
        await client.flushall()
    code, _said, complained = await restored.run("restore", str(file))
    assert (code, "the database is not empty: it has sites" in complained) == (1, True), complained


async def test_damaged_backups_are_refused(
    settings: Settings, empty: Settings, service: Running, tmp_path: Path
) -> None:
    """A backup that is cut short, changed in any part, or something else, is refused before anything happens."""
    await service.hit()
    said = await Shell(settings).must("backup", str(tmp_path))
    file = Path(said.partition(": ")[0])
    assert file.parent == tmp_path
    content, places, dump_size = parts_of(file)
    restored = Owner(empty)
    bad = tmp_path / "bad.tar"
    for number, body in enumerate([
        b"",
        b"no tar at all" * 100,
        content[: places["manifest.json"] + 10],
        content[: places["postgres.dump"]],
        content[: places["postgres.dump"] + dump_size - 1],
        changed(content, places["manifest.json"] + 20),
        changed(content, places["checksums.sha256"] + 1),
        changed(content, places["postgres.dump"] + dump_size // 2),
    ]):  # fmt: skip
        bad.write_bytes(body)
        with pytest.raises(BackupError, match=r"^bad.tar is (damaged|no backup)"):
            unpack_archive(bad, tmp_path / f"dump-{number}")
    code, _said, complained = await restored.run("restore", str(bad))
    assert (code, complained) == (1, "counter: bad.tar is damaged: the dump is not what its checksum says\n")
    async with connected(empty.database_url.get_secret_value()) as connection:
        assert await connection.fetchval("select to_regclass('sites')") is None
    # The untouched one goes into a database that was migrated, and not used.
    await migrate(database_url_of(OWNER, empty.database_url.get_secret_value()))
    await restored.must("restore", str(file))


def parts_of(file: Path) -> tuple[bytes, dict[str, int], int]:
    """Return a backup's bytes, where each of its parts begins, and how long the dump is."""
    with tarfile.open(file) as tar:
        places = {member.name: member.offset_data for member in tar.getmembers()}
        return file.read_bytes(), places, tar.getmember("postgres.dump").size


def changed(content: bytes, place: int) -> bytes:
    """Return a file with one byte changed."""
    return content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :]


async def test_waiting_spool_holds_a_backup_up(settings: Settings, valkey: Valkey, service: Running) -> None:
    """Hits that wait on disk are acknowledged, so there is no backup without them."""
    await service.hit()
    valkey.kill()
    assert (await service.hit()).status == 202
    url = settings.database_url.get_secret_value()
    async with counts(settings) as both:
        connect = partial(connected, url)
        backup = Backup(
            both.buckets, both.rollup, connect, url, system_clock, spool=settings.spool_dir, folders=[]
        )
        with pytest.raises(BackupError, match="1 hits wait in"):
            await backup.run(settings.spool_dir.parent / "x.tar", both.sites, wait_seconds=0)


def test_differences_are_named() -> None:
    """A figure that differs, and a site that is missing, are named with both numbers."""
    one = Figures("portal", 1, 1, 1, 0, 1, 1, 0)
    check_equal([one], [one])
    other = Figures("portal", 2, 1, 1, 0, 1, 1, 0)
    with pytest.raises(BackupError, match="portal: views 1 in the backup, 2 here"):
        check_equal([one], [other])
    with pytest.raises(BackupError, match="portal: site portal in the backup, none here"):
        check_equal([one], [])


def test_password_is_in_no_argument() -> None:
    """What programs are told on their command line, where others see it, has no password."""
    url = "postgresql://me%40x:p%3Aw%5Cd@h1:5432,h2/counter?sslmode=require"
    with reachable(url) as target:
        assert target.startswith("postgresql://me%40x@h1:5432,h2/counter?sslmode=require&passfile=")
        file = Path(target.rpartition("=")[2].replace("%2F", "/"))
        assert file.read_text() == "*:*:*:*:p\\:w\\\\d\n"
        assert file.stat().st_mode & 0o777 == 0o600
    assert not file.exists()
    with reachable("postgresql://me@/counter?host=/run") as target:
        assert target == "postgresql://me@/counter?host=/run"


async def test_old_pg_dump_is_not_used(tmp_path: Path) -> None:
    """A program that is older than the server is passed over, and if there is no other, it is named."""
    old = tmp_path / "pg_dump"
    old.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.1'\n")
    old.chmod(0o755)
    with pytest.raises(BackupError, match=r"pg_dump is needed, of version 999 or newer; .*/pg_dump is of 9"):
        await find_program("pg_dump", 999, [tmp_path])
    assert (await find_program("pg_dump", 9, [tmp_path])).version >= 9


async def test_missing_program_is_told_in_plain_words() -> None:
    """Where there is none, the line says what it is, where it was looked for, and which package has it."""
    with pytest.raises(
        BackupError,
        match=r"^Postgres' own program pg_nothing is needed, of version 18 or newer; there is none on the PATH or "
        r"below /usr/lib/postgresql\. Install your system's package postgresql-client-18, or ",
    ):
        await find_program("pg_nothing", 18, [])


async def test_programs_are_carried_with_their_libraries(tmp_path: Path, here: Path) -> None:
    """What the image takes of Postgres' own image runs without anything else of it."""
    carried = tmp_path / "carried"
    programs = [str(postgres_programs() / name) for name in ("pg_dump", "pg_restore")]
    script = await asyncio.create_subprocess_exec(
        "sh", str(here / "deploy" / "carry-programs.sh"), str(carried), *programs
    )
    assert await script.wait() == 0
    assert list((carried / "lib").glob("libpq*"))
    assert not list((carried / "lib").glob("libc.so*"))
    for name in ("pg_dump", "pg_restore"):
        program = Program(carried / "bin" / name, 0)
        assert f"{name} (PostgreSQL) 18".encode() in await run_program(program, "--version")
    missing = await asyncio.create_subprocess_exec(
        "sh",
        str(here / "deploy" / "carry-programs.sh"),
        str(tmp_path / "x"),
        "/nowhere/pg_dump",
        stderr=DEVNULL,
    )
    assert await missing.wait() != 0
