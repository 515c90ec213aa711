"""Where a siege takes place: a service in a process of its own, with the limits as they come, and three sites."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from counter.config import Settings
from counter.database import connected
from counter.sites.model import SiteSettings
from counter.sites.store import SiteStore
from tests.acceptance.instance import launcher_of
from tests.siege.people import HOST, HOSTED, OPEN, SIGNED, Scale
from tests.siege.siege import Siege

LIMITS = ("address_hits_per_second", "network_hits_per_second", "new_visitors_per_minute")
SITES = {OPEN: SiteSettings(), SIGNED: SiteSettings(signed=True), HOSTED: SiteSettings(hosts=(HOST,))}


@asynccontextmanager
async def besieged(settings: Settings, folder: Path, scale: Scale) -> AsyncIterator[Siege]:
    """Yield a siege of a running service on migrated, empty stores."""
    async with connected(settings.database_url.get_secret_value()) as connection:
        sites = {key: await SiteStore(connection).add(key, chosen) for key, chosen in SITES.items()}
    usual = {f"COUNTER_{name.upper()}": str(Settings.model_fields[name].default) for name in LIMITS}
    async with launcher_of(settings, folder) as launcher:
        instance = await launcher.start(**usual, COUNTER_SNAPSHOT_MILLISECONDS="1000")
        yield Siege(instance, sites, scale)
