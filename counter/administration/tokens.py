"""Bearer tokens: made once, shown once, kept as hashes."""

import hmac
import secrets
from collections.abc import Sequence
from datetime import date, datetime
from hashlib import sha256
from typing import Final, NamedTuple

import asyncpg

from counter.administration.acting import acting
from counter.administration.scopes import Bearer, Scope
from counter.database import Connection, read_query, translated
from counter.errors import SiteError, TokenRefusedError
from counter.sites.store import SiteStore

PREFIX: Final = "counter_"
"""Lets a scanner of secrets, and a person, see what this is."""
RANDOM_BYTES: Final = 32
MAX_NAME: Final = 80


class Token(NamedTuple):
    """What is known of a token, which is not the token itself."""

    id: int
    name: str
    scope: Scope
    site: str | None
    created_at: datetime
    last_used_on: date | None
    revoked_at: datetime | None


class Tokens:
    """All tokens."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, name: str, scope: Scope, site: str | None, actor: str) -> str:
        """Make a token and return it; it cannot be shown again.

        Args:
            name: by which it is listed and revoked.
            scope: what it may do.
            site: key of the one site, for the scope `site` alone.
            actor: who makes it.

        Raises:
            SiteError: the name is taken or none, or the scope and the site do not go together.
            UnknownSiteError: there is no such site.
        """
        if not (name.strip() == name and 1 <= len(name) <= MAX_NAME and name.isprintable()):
            raise SiteError("a token's name has 1 to 80 printable characters")
        if (scope == "site") != (site is not None):
            raise SiteError("the scope site, and no other, names a site")
        token = PREFIX + secrets.token_urlsafe(RANDOM_BYTES)
        async with acting(self._connection, actor):
            site_id = (await SiteStore(self._connection).find(site)).id if site else None
            try:
                await self._connection.execute(
                    read_query("tokens.add"), name, scope, site_id, token_digest(token)
                )
            except asyncpg.UniqueViolationError as error:
                raise SiteError(f"there is a token {name} already") from error
        return token

    async def list_all(self) -> Sequence[Token]:
        """Return all tokens, the oldest first, revoked ones too."""
        with translated():
            rows = await self._connection.fetch(read_query("tokens.list_all"))
        return [Token(*row) for row in map(tuple, rows)]

    async def revoke(self, name: str, actor: str) -> None:
        """Let a token be worth nothing from now on.

        Raises:
            SiteError: there is none of this name.
        """
        async with acting(self._connection, actor):
            if not await self._connection.fetch(read_query("tokens.revoke"), name):
                raise SiteError(f"there is no token {name}")

    async def find(self, digest: bytes) -> Bearer:
        """Return whose token it is, and note that it was used today.

        Raises:
            TokenRefusedError: nobody's.
        """
        with translated():
            row = await self._connection.fetchrow(read_query("tokens.find"), digest)
            if row is None or not hmac.compare_digest(row["digest"], digest):
                raise TokenRefusedError
            if row["first_use_today"]:
                await self._connection.execute(read_query("tokens.use"), row["id"])
        return Bearer(row["name"], row["scope"], row["site"])


def token_digest(token: str) -> bytes:
    """Return what is kept of a token. It has 256 random bits, so no slow hash is needed."""
    return sha256(token.encode("utf-8", "surrogatepass")).digest()
