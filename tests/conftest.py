"""The real engines that every test beyond the pure ones runs on, and a clean store for each test."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import asyncpg
import pytest
import redis.asyncio as redis

from counter.database import migrate
from counter.embedded.postgres import Postgres
from counter.embedded.valkey import Valkey
from tests import rights
from tests.engines.cluster import Cluster
from tests.engines.sentinel import Sentinels

_NUMBERS = count(1)
_TEMPLATE = "counter_template"
_ROOT = Path(__file__).parent.parent
_DEPLOY = _ROOT / "deploy"


def _is_there(package: str, program: str) -> bool:
    """Tell whether a program is on this machine, or unpacked by `deploy/bootstrap.sh test`."""
    path = "/usr/local/sbin:/usr/sbin:/sbin:" + os.environ["PATH"]
    return bool(
        shutil.which(program, path=path) or list((_ROOT / ".venv" / package).glob(f"usr/*bin/{program}"))
    )


# These run the very programs that stand around the service, where they can be had.
collect_ignore = [
    *([] if _is_there("nginx", "nginx") else ["deploy/test_nginx.py"]),
    *([] if _is_there("caddy", "caddy") else ["deploy/test_caddy.py"]),
    *([] if _is_there("systemd", "systemd-analyze") else ["deploy/test_units.py"]),
    *([] if _is_there("prometheus", "promtool") else ["monitoring"]),
    *([] if _is_there("wrk", "wrk") else ["bench"]),
]


@pytest.fixture(scope="session")
async def valkey() -> AsyncIterator[Valkey]:
    """A running Valkey; a test may kill it, the next one finds it running."""
    folder = Path(tempfile.mkdtemp(prefix="counter-valkey-"))
    # The users that we ship, but for the tests' own, who may do everything.
    shipped = (_DEPLOY / "valkey.acl").read_text(encoding="utf-8").replace("PASSWORD", rights.PASSWORD)
    users = folder / "users.acl"
    users.write_text(
        shipped.replace("user default off", "user default on nopass ~* &* +@all"), encoding="utf-8"
    )
    async with Valkey(folder, options=("--aclfile", str(users))) as engine:
        yield engine
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
async def postgres() -> AsyncIterator[Postgres]:
    """A running Postgres; a test may kill it, the next one finds it running."""
    folder = Path(tempfile.mkdtemp(prefix="counter-postgres-"))
    # Without fsync a killed process loses nothing; only a machine that loses power would.
    async with Postgres(folder, options=("-c", "fsync=off")) as engine:
        yield engine
    shutil.rmtree(folder)


@pytest.fixture
async def redis_url(valkey: Valkey) -> str:
    """The address of an empty Valkey."""
    await valkey.start()
    async with redis.from_url(valkey.url) as client:
        await client.flushall()
        await client.script_flush()
    return valkey.url


@pytest.fixture(scope="session")
async def cluster() -> AsyncIterator[Cluster]:
    """A running Valkey Cluster; what a test breaks, `cluster_url` mends for the next one."""
    async with Cluster() as nodes:
        yield nodes


@pytest.fixture
async def cluster_url(cluster: Cluster) -> str:
    """The address of a healthy and empty cluster."""
    await cluster.heal()
    await cluster.flush()
    return cluster.url


@pytest.fixture(scope="session")
async def sentinel() -> AsyncIterator[Sentinels]:
    """A running master with replicas and sentinels; what a test breaks, `sentinel_url` mends for the next one."""
    async with Sentinels() as servers:
        yield servers


@pytest.fixture
async def sentinel_url(sentinel: Sentinels) -> str:
    """The address of a healthy and empty master under sentinels."""
    await sentinel.heal()
    await sentinel.flush()
    return sentinel.url


@pytest.fixture(scope="session")
async def _template(postgres: Postgres) -> str:
    """A migrated database with the roles that we ship, to be cloned."""
    await _run(postgres.url, f"CREATE DATABASE {_TEMPLATE}")
    url = _url(postgres, _TEMPLATE)
    await _run(url, (_DEPLOY / "postgres-roles.sql").read_text(encoding="utf-8"))
    await migrate(rights.database_url_of(rights.OWNER, url), rights.SERVICE)
    return _TEMPLATE


@pytest.fixture
async def database_url(postgres: Postgres, _template: str) -> AsyncIterator[str]:
    """The address of a fresh, migrated database."""
    await postgres.start()
    name = f"test_{next(_NUMBERS)}"
    await _run(postgres.url, f"CREATE DATABASE {name} TEMPLATE {_template}")
    # Who may use a database stands outside of it, so a clone does not have it.
    await _run(_url(postgres, name), (_DEPLOY / "postgres-roles.sql").read_text(encoding="utf-8"))
    yield _url(postgres, name)
    await postgres.start()
    await _run(postgres.url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def here(request: pytest.FixtureRequest) -> Path:
    """The root of the clone."""
    return request.config.rootpath


def _url(postgres: Postgres, database: str) -> str:
    return postgres.url.replace("/counter?", f"/{database}?")


async def _run(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
