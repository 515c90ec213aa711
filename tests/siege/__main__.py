"""`make siege`: a few minutes, then the report in docs/siege.md."""

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from pydantic import SecretStr

from counter.config import Settings
from counter.database import migrate
from counter.embedded.postgres import Postgres
from counter.embedded.valkey import Valkey
from tests.siege.field import besieged
from tests.siege.people import FULL
from tests.siege.report import markdown

PAGE = Path(__file__).parents[2] / "docs" / "siege.md"


async def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="counter-siege-"))
    async with Valkey(folder / "valkey") as valkey, Postgres(folder / "postgres") as postgres:
        settings = Settings(
            redis_url=SecretStr(valkey.url), database_url=SecretStr(postgres.url), spool_dir=folder / "spool"
        )
        await migrate(postgres.url)
        async with besieged(settings, folder, FULL) as siege:
            page = markdown(await siege.run())
    shutil.rmtree(folder)
    PAGE.write_text(page, encoding="utf-8")
    sys.stdout.write(page)


asyncio.run(main())
