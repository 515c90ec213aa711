"""Reads the audit log; the database writes it."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from counter.database import Connection, read_query, translated


class Change(NamedTuple):
    """One change: what was before, and what is after; None where there was nothing or is nothing."""

    id: int
    at: datetime
    actor: str
    action: str
    site: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None


async def list_changes(
    connection: Connection, *, before: int | None = None, site: str | None = None, limit: int = 50
) -> Sequence[Change]:
    """Return changes, newest first.

    Args:
        connection: to the database.
        before: only those before the one of this id.
        site: only those of this site.
        limit: how many at most.
    """
    with translated():
        rows = await connection.fetch(read_query("administration.audit_log"), before, site, limit)
    return [
        Change(
            row["id"],
            row["at"],
            row["actor"],
            row["action"],
            row["site"],
            _said(row["before"]),
            _said(row["after"]),
        )
        for row in rows
    ]


def _said(text: str | None) -> dict[str, Any] | None:
    found: dict[str, Any] | None = json.loads(text) if text else None
    return found
