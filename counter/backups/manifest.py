"""What a backup says of itself, and how a system is held against it. Pure."""

from collections.abc import Sequence
from typing import Final

import msgspec

from counter.errors import BackupError

FORMAT: Final = 1
_MOST_DIFFERENCES: Final = 5


class Figures(msgspec.Struct, frozen=True):
    """What Postgres has of a site.

    Attributes:
        views, visits, visitors, bots: the totals, ledger included.
        page_views: sum over all pages.
        rows, adjustments: how many there are.
    """

    site: str
    views: int
    visits: int
    visitors: int
    bots: int
    page_views: int
    rows: int
    adjustments: int


class Manifest(msgspec.Struct, frozen=True):
    """What stands beside the dump.

    Attributes:
        format: of the backup.
        version: of the program that made it.
        begun_at: every hit that was acknowledged before is in it; ISO 8601.
        server_version: of Postgres, as a number such as 180001.
        dump_version: major version of the program that wrote the dump.
        migrations: that were applied.
        dump_bytes, dump_sha256: of the dump.
        sites: what the dump holds of each.
    """

    format: int
    version: str
    begun_at: str
    server_version: int
    dump_version: int
    migrations: list[str]
    dump_bytes: int
    dump_sha256: str
    sites: list[Figures]


def encode_manifest(manifest: Manifest) -> bytes:
    """Return the form in which a manifest is stored."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1)


def decode_manifest(body: bytes) -> Manifest:
    """Read a manifest back.

    Raises:
        BackupError: it is none, or one of a later program.
    """
    try:
        manifest = msgspec.json.decode(body, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BackupError("the backup's manifest cannot be read") from error
    if manifest.format != FORMAT:
        raise BackupError(f"the backup has format {manifest.format}, this program reads format {FORMAT}")
    return manifest


def check_equal(kept: Sequence[Figures], found: Sequence[Figures]) -> None:
    """Hold what was restored against what was backed up.

    Raises:
        BackupError: a figure differs.
    """
    before, after = ({each.site: each for each in side} for side in (kept, found))
    differences = [
        f"{site}: {name} {getattr(before.get(site), name, 'none')} in the backup, "
        f"{getattr(after.get(site), name, 'none')} here"
        for site in sorted(before.keys() | after.keys())
        for name in Figures.__struct_fields__
        if getattr(before.get(site), name, None) != getattr(after.get(site), name, None)
    ]
    if differences:
        more = len(differences) - _MOST_DIFFERENCES
        told = "; ".join(differences[:_MOST_DIFFERENCES])
        raise BackupError(
            f"what was restored is not what was backed up: {told}" + f" (and {more} more)" * (more > 0)
        )
