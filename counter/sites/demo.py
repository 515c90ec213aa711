"""The site of the demo portal, which `counter up` registers."""

from contextlib import suppress
from typing import Final

from counter.database import connected
from counter.errors import SiteError
from counter.sites.model import SiteSettings
from counter.sites.store import SiteStore

DEMO_KEY: Final = "demo"


async def ensure_demo_site(database_url: str) -> None:
    """Register the demo site unless it is there.

    Raises:
        AggregatesUnavailableError: Postgres does not answer.
    """
    async with connected(database_url) as connection:
        with suppress(SiteError):
            await SiteStore(connection).add(
                DEMO_KEY, SiteSettings(name="Cổng thông tin mẫu", public_stats=True)
            )
