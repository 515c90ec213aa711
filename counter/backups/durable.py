"""What backup and restore ask of Postgres."""

from counter.backups.manifest import Figures
from counter.database import Connection, read_query, translated


class BackupStore:
    """Reads figures and the server's state over one connection."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    async def figures(self) -> list[Figures]:
        """Return what Postgres has of each site."""
        with translated():
            rows = await self.connection.fetch(read_query("backups.figures"))
        return [Figures(*row) for row in map(tuple, rows)]

    async def server_version(self) -> int:
        """Return the server's version as a number, such as 180001."""
        with translated():
            return int(await self.connection.fetchval("show server_version_num"))

    async def export_snapshot(self) -> str:
        """Let others read what this transaction sees, and return by which name."""
        with translated():
            return str(await self.connection.fetchval("select pg_export_snapshot()"))

    async def has_tables(self) -> bool:
        """Tell whether the counter's tables are there."""
        with translated():
            return bool(await self.connection.fetchval("select to_regclass('public.sites') is not null"))

    async def has_sites(self) -> bool:
        """Tell whether any site is registered."""
        with translated():
            return bool(await self.connection.fetchval("select exists (select from sites)"))

    async def make_reading_schema(self) -> None:
        """Make the schema of the views for dashboards, unless it is there."""
        with translated():
            await self.connection.execute(read_query("backups.make_reading_schema"))
