"""The stranger's two commands: one clear line when something is missing, no work the second time."""

import asyncio
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest
import redis.asyncio as redis

from counter.database import migrate
from counter.embedded.postgres import Postgres
from counter.embedded.valkey import Valkey
from counter.embedded.wheels import postgres_programs
from tests.rights import OWNER, SERVICE, database_url_of

TOOLS = [
    "sh",
    "make",
    "dirname",
    "id",
    "grep",
    "sed",
    "cat",
    "tail",
    "head",
    "cut",
    "rm",
    "mkdir",
    "cmp",
    "uname",
]
PYTHON_WITHOUT_VENV = '#!/bin/sh\ncase "$*" in *ensurepip*) exit 1 ;; esac\nexit 0\n'
OLD_PYTHON = '#!/bin/sh\n[ "$1" = -V ] && echo "Python 3.9.2" && exit\nexit 1\n'
# Answers what is asked of a good Python, and makes a venv whose pip fails with what stands in `pip-says`.
GOOD_PYTHON = """#!/bin/sh
case "$*" in
*"-m venv"*) mkdir -p .venv/bin && cat "$0" >.venv/bin/python && chmod +x .venv/bin/python ;;
*"pip install"*) cat pip-says && exit 1 ;;
*platform*) echo "Plan9 vax Python 3.11.0" ;;
esac
"""


class Machine:
    """A fresh clone (only what is needed to begin) on a machine with few programs."""

    def __init__(self, folder: Path, here: Path) -> None:
        self.clone, self.programs = folder / "clone", folder / "programs"
        self.programs.mkdir()
        for tool in (*TOOLS, "chmod"):
            (self.programs / tool).symlink_to(shutil.which(tool))
        (self.clone / "deploy").mkdir(parents=True)
        for file in ("Makefile", "deploy/bootstrap.sh", "requirements.lock", "requirements-dev.lock"):
            shutil.copy(here / file, self.clone / file)

    def install(self, name: str, program: str) -> None:
        (self.programs / name).write_text(program)
        (self.programs / name).chmod(0o755)

    def make_run(self, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["make", "run"],
            cwd=self.clone,
            env={"PATH": str(self.programs), **variables},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def complaint(self, **variables: str) -> str:
        """Run `make run`, which must fail with one line of ours, and return it."""
        result = self.make_run(**variables)
        assert result.returncode != 0
        ours = [line for line in result.stderr.splitlines() if not line.startswith("make: ")]
        assert len(ours) == 1, result.stderr
        assert ours[0].startswith("error: ")
        return ours[0]


@pytest.fixture
def machine(tmp_path, here) -> Machine:
    return Machine(tmp_path, here)


def test_no_python(machine):
    """Without any Python, the line says which one is needed."""
    assert "Python 3.11 to 3.14 is needed; install one" in machine.complaint()


def test_old_python(machine):
    """An old Python is named with its version."""
    machine.install("python3", OLD_PYTHON)
    assert "(python3 is 3.9.2)" in machine.complaint()


def test_newer_python_beside_an_old_one(machine):
    """When `python3` is too old, a newer one under its full name is found."""
    machine.install("python3", OLD_PYTHON)
    machine.install("python3.12", PYTHON_WITHOUT_VENV)
    assert "no venv module" in machine.complaint()


def test_wrong_choice_of_python(machine):
    """PYTHON that is none is named, not replaced by a guess."""
    machine.install("python3", GOOD_PYTHON)
    assert "PYTHON=/no/python is not a Python 3.11" in machine.complaint(PYTHON="/no/python")


def test_python_without_venv(machine):
    """Debian's bare Python: the line names the package to install."""
    machine.install("python3", PYTHON_WITHOUT_VENV)
    assert "`apt-get install python3-venv`" in machine.complaint()


def test_folder_that_cannot_be_written(machine):
    """A read-only clone is explained."""
    machine.install("python3", GOOD_PYTHON)
    (machine.programs / "mkdir").unlink()
    machine.install("mkdir", "#!/bin/sh\nexit 1\n")
    assert f"cannot write to {machine.clone}" in machine.complaint()


@pytest.mark.parametrize(
    ("pip_says", "line"),
    [
        (
            "WARNING: Retrying after NewConnectionError\nERROR: No matching distribution found for a",
            "network",
        ),
        (
            "ERROR: No matching distribution found for psutil==7.2.2",
            "no ready-made psutil==7.2.2 for this machine",
        ),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES", "not the locked one"),
        ("ERROR: Could not install: [Errno 28] No space left on device", "the disk is full"),
        ("Traceback ...\nERROR: something new", "ERROR: something new (see .venv/install.log)"),
    ],
)
def test_failing_installation(machine, pip_says, line):
    """What pip says at length is told in one line."""
    machine.install("python3", GOOD_PYTHON)
    (machine.clone / "pip-says").write_text(pip_says)
    assert line in machine.complaint()


def test_second_run_installs_nothing(machine):
    """With the stamp of this lock in place, the service is started at once."""
    programs = machine.clone / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "python").write_text('#!/bin/sh\necho "ran: $*"\n')
    (programs / "python").chmod(0o755)
    lock = (machine.clone / "requirements.lock").read_text()
    (machine.clone / ".venv" / "requirements.lock.stamp").write_text(f"{machine.clone}\n{lock}")
    result = machine.make_run()
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "ran: -m counter up"
    assert "Installing" not in result.stdout


@pytest.fixture
def secrets(tmp_path, here) -> Path:
    """What `make-secrets.sh` makes, after a second run that must change nothing."""
    shutil.copy(here / "deploy" / "valkey.acl", tmp_path)
    command = ["sh", shutil.copy(here / "deploy" / "make-secrets.sh", tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    made = {path: path.read_bytes() for path in (tmp_path / "secrets").iterdir()}
    assert subprocess.run(command, check=False, capture_output=True).returncode == 1
    assert {path: path.read_bytes() for path in (tmp_path / "secrets").iterdir()} == made
    return tmp_path / "secrets"


async def test_secrets_for_compose(secrets, tmp_path):
    """The passwords fit together, lie in a private folder, and let the counter do in Valkey what it must."""
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    for role, url in (("owner", "owner_url"), ("service", "database_url")):
        parts = urlsplit((secrets / url).read_text())
        assert (parts.username, parts.password) == (
            f"counter_{role}",
            (secrets / f"{role}_password").read_text(),
        )
    parts = urlsplit((secrets / "redis_url").read_text())
    async with Valkey(tmp_path / "valkey", options=("--aclfile", str(secrets / "valkey.acl"))) as engine:
        account = {"username": parts.username, "password": parts.password}
        async with redis.from_url(engine.url, **account) as client:
            assert await client.set("counter:x", 1)
            for refused in (
                ("SET", "other", "1"), ("GET", "other"), ("KEYS", "*"), ("FLUSHALL",), ("CONFIG", "GET", "*"),
                ("ACL", "LIST"), ("SAVE",), ("SHUTDOWN",), ("REPLICAOF", "NO", "ONE"),
                ("PUBLISH", "x", "y"), ("EVAL", "return redis.call('SET', 'other', 1)", "0"), ("MONITOR",),
            ):  # fmt: skip
                with pytest.raises(redis.ResponseError, match=r"(?i)permission"):
                    await client.execute_command(*refused)
        async with redis.from_url(engine.url) as client:
            with pytest.raises(redis.ConnectionError, match="authenticated"):
                await client.ping()


async def test_roles_for_compose(secrets, tmp_path, here):
    """The script that the container runs at its first start gives all roles their passwords and least rights."""
    programs = postgres_programs()
    script = (here / "deploy" / "postgres-init.sh").read_text()
    script = script.replace("/run/secrets", str(secrets)).replace("/etc/counter", str(here / "deploy"))
    async with Postgres(tmp_path / "postgres") as engine:
        sockets = parse_qs(urlsplit(engine.url).query)["host"][0]
        environment = {
            "PATH": f"{programs}:/usr/bin:/bin",
            "PGHOST": sockets,
            "POSTGRES_USER": "counter",
            "POSTGRES_DB": "counter",
        }
        process = await asyncio.create_subprocess_exec("sh", "-c", script, env=environment)
        assert await process.wait() == 0
        assert await migrate(database_url_of(OWNER, engine.url), SERVICE)
        assert await migrate(database_url_of(SERVICE, engine.url)) == []
        connection = await asyncpg.connect(engine.url)
        passwords = await connection.fetch(
            "select rolpassword from pg_authid where rolname like 'counter!_%' escape '!'"
        )
        await connection.close()
    assert [password[:14] for (password,) in passwords] == ["SCRAM-SHA-256$"] * 3


def test_help_lists_every_target(here):
    """`make help` shows each target with what it does."""
    shown = subprocess.run(["make", "help"], cwd=here, capture_output=True, text=True, check=True).stdout
    for target in ("run", "test", "check", "lock", "wheel", "sbom", "audit", "clean"):
        assert f"make {target}\t" in shown


def test_locks_name_no_host(here):
    """The locks hold versions and hashes, and leave the index to the machine."""
    for lock in here.glob("requirements*.lock"):
        assert "://" not in lock.read_text()
        assert "--hash=sha256:" in lock.read_text()


def test_this_python_is_one_that_make_run_takes():
    """The versions that the script accepts include the one that the tests run on."""
    assert (3, 11) <= sys.version_info < (3, 15)
