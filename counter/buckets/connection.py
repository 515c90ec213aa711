"""The connections to Redis: for each lane a client of the server that holds it, whichever that is."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from redis import exceptions
from redis.asyncio import BlockingConnectionPool, Connection, Redis, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig

from counter.buckets.address import ESCAPING, Address, Way, parse_address
from counter.buckets.keys import LaneKeys
from counter.buckets.primaries import ClusterPrimaries, Node, Primaries, SentinelPrimaries
from counter.buckets.wire import Wire
from counter.errors import BucketsCorruptError, BucketsUnavailableError, ConfigError

POOL_CONNECTIONS: Final = 16

ELSEWHERE: Final = (
    exceptions.AskError,  # MOVED is one, too
    exceptions.ReadOnlyError,
    exceptions.ClusterDownError,  # and MASTERDOWN
    exceptions.TryAgainError,
)
"""What a server answers that does not hold the lane, or not now."""
REFUSED: Final = (
    exceptions.OutOfMemoryError,
    exceptions.BusyLoadingError,
    exceptions.AuthenticationError,
    exceptions.NoPermissionError,
)
REFUSED_WORDS: Final = ("MISCONF", "NOREPLICAS", "BUSY")
CLOSED_WORDS: Final = "handler is closed"
"""What uvloop says, as a RuntimeError, of a connection that was closed while it was being set up."""


class Servers:
    """Hands out clients, and translates what the driver raises."""

    def __init__(
        self,
        open_client: Callable[[LaneKeys], Redis],
        primaries: Primaries | None = None,
        *,
        timeout_seconds: float,
    ) -> None:
        self._open_client = open_client
        self._timeout_seconds = timeout_seconds
        self._wires: dict[str, Wire] = {}
        self._primaries = primaries
        self._clients: dict[str, Redis] = {}

    @asynccontextmanager
    async def asking(self, lane: LaneKeys) -> AsyncGenerator[Redis]:
        """Yield a client of the server that holds a lane.

        Raises:
            BucketsUnavailableError: no answer, or the server refuses for now; a write may have happened.
            BucketsCorruptError: an operation met data that this program did not write.
        """
        client = self._client(lane)
        try:
            yield client
        except (exceptions.ConnectionError, exceptions.TimeoutError, OSError) as error:
            await self._look_again(client)
            raise BucketsUnavailableError(f"Redis does not answer: {type(error).__name__}") from error
        except RuntimeError as error:
            if CLOSED_WORDS not in str(error):
                raise
            await self._look_again(client)
            raise BucketsUnavailableError("Redis does not answer: it has closed the connection") from error
        except ELSEWHERE as error:
            await self._look_again(client)
            raise BucketsUnavailableError(f"Redis has moved: {type(error).__name__}") from error
        except exceptions.ResponseError as error:
            if isinstance(error, REFUSED) or str(error).startswith(REFUSED_WORDS):
                raise BucketsUnavailableError(f"Redis refuses: {type(error).__name__}") from error
            raise BucketsCorruptError(f"Redis could not run an operation: {error}") from error

    def wire(self, lane: LaneKeys) -> Wire:
        """Return the connection of a lane's batches; what it raises, only `asking` translates."""
        wire = self._wires.get(lane.lane)
        if wire is None:
            pool = self._client(lane).connection_pool
            wire = self._wires[lane.lane] = Wire(pool, self._timeout_seconds)
        return wire

    async def aclose(self) -> None:
        """Close all connections."""
        for wire in self._wires.values():
            await wire.close()
        for client in set(self._clients.values()):
            await client.aclose()
            await client.connection_pool.disconnect()
        if self._primaries is not None:
            await self._primaries.aclose()

    def _client(self, lane: LaneKeys) -> Redis:
        client = self._clients.get(lane.lane)
        if client is None:
            client = self._clients[lane.lane] = self._open_client(lane)
        return client

    async def _look_again(self, client: Redis) -> None:
        """Leave the connections to a server that is gone, or is no primary now."""
        if self._primaries is not None:
            self._primaries.doubt()
        await client.connection_pool.update_active_connections_for_reconnect()  # type: ignore[no-untyped-call]
        await client.connection_pool.disconnect(inuse_connections=False)


@asynccontextmanager
async def open_servers(url: str, *, timeout_seconds: float) -> AsyncGenerator[Servers]:
    """Yield the servers that a URL names (see address.py).

    redis-py's own retries are off: a write whose outcome is unknown is repeated by the recorder alone,
    under the batch's token.

    Args:
        url: of one server, a cluster or Sentinels.
        timeout_seconds: for connecting and for each reply.

    Raises:
        ConfigError: the URL names none.
    """
    address = parse_address(url)
    servers = _servers(address, _options(timeout_seconds), timeout_seconds)
    try:
        yield servers
    finally:
        await servers.aclose()


def _servers(address: Address, options: Mapping[str, Any], timeout_seconds: float) -> Servers:
    if address.way is Way.SERVER:
        only = Redis(connection_pool=_pool(address.url, options))
        return Servers(lambda _lane: only, timeout_seconds=timeout_seconds)
    led = {
        **options,
        "db": address.db,
        "username": address.account.username,
        "password": address.account.password,
        "connection_class": _LedTlsConnection if address.tls else _LedConnection,
    }
    if address.way is Way.SENTINEL:
        sentinels = SentinelPrimaries(address)
        shared = _led_client(led, sentinels, LaneKeys("all"))
        return Servers(lambda _lane: shared, sentinels, timeout_seconds=timeout_seconds)
    cluster = ClusterPrimaries(address)
    return Servers(lambda lane: _led_client(led, cluster, lane), cluster, timeout_seconds=timeout_seconds)


def _pool(url: str, options: Mapping[str, Any]) -> BlockingConnectionPool:
    try:
        return BlockingConnectionPool.from_url(url, **options)
    except ValueError:
        wrong = f"COUNTER_REDIS_URL: it cannot be read; see docs/configuration.md, and {ESCAPING}"
        raise ConfigError(wrong) from None


def _options(timeout_seconds: float) -> dict[str, Any]:
    return {
        "max_connections": POOL_CONNECTIONS,
        "timeout": timeout_seconds,
        "socket_timeout": timeout_seconds,
        "socket_connect_timeout": timeout_seconds,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }


def _led_client(options: Mapping[str, Any], primaries: Primaries, lane: LaneKeys) -> Redis:
    async def find() -> Node:
        return await primaries.find(lane)

    return Redis(connection_pool=BlockingConnectionPool(find=find, **options))


class _LedConnection(Connection):
    """A connection that asks where to go whenever it connects."""

    def __init__(self, *, find: Callable[[], Any], **options: Any) -> None:
        super().__init__(**options)
        self._find = find

    async def connect(self) -> None:
        if not self.is_connected:
            self.host, self.port = await self._find()
        await super().connect()  # type: ignore[no-untyped-call]


class _LedTlsConnection(_LedConnection, SSLConnection):
    """The same over TLS."""
