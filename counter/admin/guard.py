"""Who may use the administration over HTTP: bearer tokens alone, so no browser sends one unasked."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

from aiohttp import web

from counter.administration.scopes import Bearer, Need, allows
from counter.administration.tokens import Tokens, token_digest
from counter.database import Connection, Pool, acquired
from counter.errors import ScopeError, TokenRefusedError, TooManyAttemptsError
from counter.http import problem
from counter.metrics import AdminMetrics

Answer = Callable[[web.Request, Connection, Bearer], Awaitable[web.Response]]

MOST_ATTEMPTS: Final = 10
ATTEMPT_SECONDS: Final = 6.0
"""An address may fail so often at once, and once more after so long."""
REMEMBERED: Final = 10_000
CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="counter"'}


class Attempts:
    """Counts refused tokens by address, in bounded memory.

    A token that was good before is looked up even then, so nobody can lock an administrator out who comes by
    the same proxy.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._free_at: OrderedDict[str, float] = OrderedDict()
        self._good: OrderedDict[bytes, None] = OrderedDict()

    def may_ask(self, address: str, digest: bytes) -> bool:
        """Tell whether this token is to be looked up."""
        owed = self._free_at.get(address, 0.0) - self._clock()
        return digest in self._good or owed < MOST_ATTEMPTS * ATTEMPT_SECONDS

    def good(self, digest: bytes) -> None:
        """Remember a token that was good."""
        self._good[digest] = None
        self._good.move_to_end(digest)
        while len(self._good) > REMEMBERED:
            self._good.popitem(last=False)

    def bad(self, address: str, digest: bytes) -> None:
        """Count a token that was refused."""
        self._good.pop(digest, None)
        self._free_at[address] = max(self._free_at.get(address, 0.0), self._clock()) + ATTEMPT_SECONDS
        self._free_at.move_to_end(address)
        while len(self._free_at) > REMEMBERED:
            self._free_at.popitem(last=False)


class Guard:
    """Lets a request reach its handler if its token's scope does."""

    def __init__(self, pool: Pool, metrics: AdminMetrics) -> None:
        self._pool = pool
        self._metrics = metrics
        self._attempts = Attempts(asyncio.get_running_loop().time)

    def needs(self, need: Need, answer: Answer) -> Callable[[web.Request], Awaitable[web.Response]]:
        """Return the handler that asks `answer` once the token may do what is needed."""

        async def handle(request: web.Request) -> web.Response:
            try:
                digest = self._digest(request)
                async with acquired(self._pool) as connection:
                    bearer = await self._bearer(digest, request.remote or "", connection)
                    if not allows(bearer, need, request.match_info.get("site")):
                        self._metrics.refused.labels("scope").inc()
                        raise ScopeError
                    return await answer(request, connection, bearer)
            except (TokenRefusedError, TooManyAttemptsError) as error:
                response = problem(error.status, error.kind, error.public_detail)
                if error.status == HTTPStatus.TOO_MANY_REQUESTS:
                    response.headers["Retry-After"] = str(int(ATTEMPT_SECONDS * MOST_ATTEMPTS))
                else:
                    response.headers.update(CHALLENGE)
                return response

        return handle

    def _digest(self, request: web.Request) -> bytes:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            self._metrics.refused.labels("missing").inc()
            raise TokenRefusedError
        digest = token_digest(token.strip())
        if not self._attempts.may_ask(request.remote or "", digest):
            self._metrics.refused.labels("limited").inc()
            raise TooManyAttemptsError
        return digest

    async def _bearer(self, digest: bytes, address: str, connection: Connection) -> Bearer:
        try:
            bearer = await Tokens(connection).find(digest)
        except TokenRefusedError:
            self._attempts.bad(address, digest)
            self._metrics.refused.labels("unknown").inc()
            raise
        self._attempts.good(digest)
        return bearer
