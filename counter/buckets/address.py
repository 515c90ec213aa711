"""Where Redis is: what `COUNTER_REDIS_URL` may say. Pure.

| URL | means |
|---|---|
| `redis://[user:password@]host[:6379][/db]`, `unix:///path[?db=0]` | one server |
| `redis+cluster://[user:password@]host:port[,host:port…]` | a cluster, some of whose nodes are named |
| `redis+sentinel://[user:password@]host:26379[,…]/SERVICE[?db=0]` | a server that Sentinels watch |

`rediss` instead of `redis` speaks TLS. Our account at the Sentinels: `&sentinel_user=…&sentinel_password=…`.
"""

from enum import Enum
from typing import Final, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from counter.errors import ConfigError

PORTS: Final = {"cluster": 6379, "sentinel": 26379}


ESCAPING: Final = "write %2F for /, %23 for # and %3F for ? in a password"
"""Nothing of an address is quoted in errors: what looks like a port may be a piece of the password."""


class Way(Enum):
    """How the server that holds a lane is found."""

    SERVER = "server"
    CLUSTER = "cluster"
    SENTINEL = "sentinel"


class Account(NamedTuple):
    """Who we are to a server; None where it does not ask."""

    username: str | None = None
    password: str | None = None


class Address(NamedTuple):
    """A URL, taken apart.

    Attributes:
        url: as it was given; the driver reads that of a single server itself.
        nodes: host and port of the nodes of the cluster, or of the Sentinels, that are named.
        service: what the Sentinels call the server.
        sentinel: our account at the Sentinels.
    """

    way: Way
    url: str
    nodes: tuple[tuple[str, int], ...] = ()
    service: str = ""
    db: int = 0
    tls: bool = False
    account: Account = Account()
    sentinel: Account = Account()


def parse_address(url: str) -> Address:
    """Take a URL apart.

    Raises:
        ConfigError: it is none of those above; the message says what is wrong, and no password.
    """
    scheme, _, way = url.partition("://")[0].partition("+")
    if not way:
        return Address(Way.SERVER, url)
    if scheme not in {"redis", "rediss"} or way not in PORTS:
        raise ConfigError(
            f"COUNTER_REDIS_URL: {scheme}+{way} is not known; use redis+cluster or redis+sentinel"
        )
    parts = urlsplit(url)
    account, _, hosts = parts.netloc.rpartition("@")
    query = parse_qs(parts.query)
    service, db = _path(Way(way), parts.path.strip("/"), query)
    return Address(
        Way(way),
        url,
        nodes=tuple(_node(host, PORTS[way]) for host in hosts.split(",")),
        service=service,
        db=db,
        tls=scheme == "rediss",
        account=_account(*account.split(":", 1)) if account else Account(),
        sentinel=_account(query.get("sentinel_user", [""])[0], query.get("sentinel_password", [""])[0]),
    )


def _path(way: Way, path: str, query: dict[str, list[str]]) -> tuple[str, int]:
    if way is Way.CLUSTER:
        if path not in {"", "0"}:
            raise ConfigError("COUNTER_REDIS_URL: a cluster has no databases but 0")
        return "", 0
    service, _, db = path.partition("/")
    if not service:
        raise ConfigError("COUNTER_REDIS_URL: name the service that the Sentinels watch: …/SERVICE")
    number = db or query.get("db", ["0"])[0]
    if not number.isdecimal():
        raise ConfigError("COUNTER_REDIS_URL: what stands for the number of a database is none")
    return unquote(service), int(number)


def _node(text: str, port: int) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    try:
        host, number = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError(f"COUNTER_REDIS_URL: a host has no good port; {ESCAPING}") from error
    if not host:
        raise ConfigError("COUNTER_REDIS_URL: a host is missing")
    return host, number or port


def _account(username: str, password: str = "") -> Account:
    return Account(unquote(username) or None, unquote(password) or None)
