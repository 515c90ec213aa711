"""What a deployment has to be like, judged by what was seen of it. Pure."""

from ipaddress import ip_address
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from counter.checks.findings import Check, Result, many
from counter.config import Network, Settings
from counter.doctor.findings import Advice, Verdict, consider, fix, good

OLDEST_REDIS: Final = (7, 0)
OLDEST_POSTGRES: Final = 14
CLOCK_SECONDS: Final = 2.0
"""By which two clocks may differ, beside the time of the call."""
FEWEST_SPARE: Final = 12
"""Connections of Postgres that a process of the service may want at once."""
SPARE_FILES: Final = 256
MEGABYTE: Final = 1024 * 1024
EVERYWHERE: Final = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - it is looked for, not bound
REMEDIES: Final = {
    "eviction": "CONFIG SET maxmemory-policy noeviction, and the same in the server's configuration file",
    "persistence": "CONFIG SET appendonly yes, and the same in the server's configuration file; "
    "if it is on, look at the server's disk",
    "memory": "raise maxmemory, or give the machine more memory",
    "migrations": "run `counter migrate` as the owner of the tables, with the version that you want to run",
}


class Database(NamedTuple):
    """What Postgres says of itself.

    Attributes:
        version: such as 180001.
        connections: that are open, of all clients.
        most_connections: that it takes.
    """

    version: int
    superuser: bool
    fsync: bool
    encoding: str
    connections: int
    most_connections: int


def judge_check(check: Check) -> Advice:
    """Return a line of the audit with what to do."""
    if check.result is Result.GOOD:
        return good(check.check, check.part, check.detail)
    return Advice(check.check, check.part, Verdict.FIX, check.detail, REMEDIES[check.check])


def judge_redis_version(name: str, version: str) -> Advice:
    """Redis or Valkey is one whose commands we need."""
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    if numbers >= OLDEST_REDIS:
        return good("redis_version", "Redis", f"{name} {version}")
    return fix(
        "redis_version", "Redis", f"{name} {version} is too old", "install Valkey 8 or Redis 7 or newer"
    )


def judge_postgres(seen: Database) -> list[Advice]:
    """Postgres is new enough, safe, and has room."""
    major = seen.version // 10_000
    part = "Postgres"
    findings = [
        good("postgres_version", part, f"Postgres {major}")
        if major >= OLDEST_POSTGRES
        else fix("postgres_version", part, f"Postgres {major} is too old", "install Postgres 14 or newer"),
        good("postgres_fsync", part, "it writes safely")
        if seen.fsync
        else fix(
            "postgres_fsync", part, "fsync is off: a power cut may destroy the database", "set fsync = on"
        ),
        good("postgres_encoding", part, seen.encoding)
        if seen.encoding == "UTF8"
        else fix(
            "postgres_encoding",
            part,
            f"the database is in {seen.encoding}, so Vietnamese paths cannot be stored",
            "make the database anew with ENCODING UTF8",
        ),
        consider(
            "postgres_role",
            part,
            "the service connects as a superuser",
            "run deploy/postgres-roles.sql, and let COUNTER_DATABASE_URL name counter_service",
        )
        if seen.superuser
        else good("postgres_role", part, "no superuser"),
    ]
    spare = seen.most_connections - seen.connections
    said = f"{seen.connections} of {seen.most_connections} connections are open"
    findings.append(
        good("postgres_connections", part, said)
        if spare >= FEWEST_SPARE
        else fix(
            "postgres_connections", part, said, "raise max_connections, or find out who has so many open"
        )
    )
    return findings


def judge_clock(store: str, ahead_seconds: float, call_seconds: float) -> Advice:
    """This host and a store have the same time."""
    name = f"clock_{store.lower()}"
    off = max(0.0, abs(ahead_seconds) - call_seconds)
    if off <= CLOCK_SECONDS:
        return good(name, store, "its clock and ours agree")
    way = "behind" if ahead_seconds > 0 else "ahead of"
    return fix(
        name,
        store,
        f"its clock is {off:,.0f} s {way} ours: days begin, visits end and salts expire by them",
        "let all hosts follow the same time servers (`timedatectl set-ntp true`, or chrony)",
    )


def judge_lanes(here: int, used: int, moved: bool) -> Advice:  # noqa: FBT001 - as Postgres says it
    """This host puts sites into as many lanes as the service does, and no change is half done."""
    name, part = "lanes", "service"
    if here != used:
        detail = f"COUNTER_LANES is {here} here, but the counts are in {many(used, 'lane')}"
        return fix(
            name, part, detail, f"set it to {used}; to change it, stop all processes first (docs/scaling.md)"
        )
    if not moved:
        detail = f"the change to {many(used, 'lane')} is not complete, and nothing is counted meanwhile"
        return fix(name, part, detail, "start the service, which completes it, and see its log if it refuses")
    return good(name, part, f"the counts are in {many(used, 'lane')}, as COUNTER_LANES says")


def judge_listeners(settings: Settings, *, contained: bool) -> list[Advice]:
    """Nobody from outside reaches the metrics.

    Args:
        settings: the configuration.
        contained: whether this is a container, whose ports are reached only where they are published.
    """
    part = "this host"
    host, port = settings.admin_host, settings.admin_port
    if host in EVERYWHERE and not contained:
        return [
            fix(
                "admin_listener",
                part,
                f"health and metrics are on every address of this host (COUNTER_ADMIN_HOST={host or '*'})",
                "set COUNTER_ADMIN_HOST=127.0.0.1, or to an address that only your own network reaches",
            )
        ]
    return [good("admin_listener", part, f"health and metrics are on {host} port {port}")]


def judge_proxies(settings: Settings, untrusted: float | None) -> Advice:
    """Whoever is in front of us is believed, and nobody else.

    Args:
        settings: the configuration.
        untrusted: beacons that an undeclared proxy forwarded, None if the service could not be asked.
    """
    name, part = "proxies", "this host"
    wide = [str(network) for network in settings.trusted_proxies if _is_wide(network)]
    if wide:
        detail = f"COUNTER_TRUSTED_PROXIES has {', '.join(wide)}: anybody there may invent addresses"
        return fix(name, part, detail, "name the addresses of your own proxies alone, such as 10.0.0.5/32")
    if untrusted:
        detail = f"{untrusted:,.0f} beacons came by a proxy that is not trusted: its visitors count as one"
        return fix(
            name, part, detail, "set COUNTER_TRUSTED_PROXIES to the address of that proxy, and restart"
        )
    trusted = ", ".join(map(str, settings.trusted_proxies))
    seen = "" if untrusted is None else ", and no other one was seen"
    return good(name, part, f"trusted: {trusted or 'none'}{seen}")


def judge_addresses(settings: Settings) -> list[Advice]:
    """What other hosts tell us cannot be read on the way, and the snippets name a real address."""
    findings = []
    redis = urlsplit(settings.redis_url.get_secret_value())
    if redis.scheme == "redis" and redis.hostname and not _is_near(redis.hostname):
        findings.append(
            consider(
                "redis_encryption",
                "Redis",
                "the connection to another host is not encrypted",
                "use rediss:// if anybody else can listen on that network",
            )
        )
    if "HOST" in settings.public_url:
        findings.append(
            consider(
                "public_url",
                "this host",
                "COUNTER_PUBLIC_URL is not set, so the snippets of `counter site show` name no address",
                "set it to the address under which pages reach the service, such as https://counter.example",
            )
        )
    return findings


def judge_spool(settings: Settings, fault: str, kind: str, free_bytes: int) -> Advice:
    """Hits have somewhere to wait while Redis is away.

    Args:
        settings: the configuration.
        fault: why the folder cannot be used, empty if it can.
        kind: of its file system, such as ext4.
        free_bytes: that its disk has.
    """
    name, part, where = "spool", "this host", settings.spool_dir
    if not settings.spool_mb:
        return consider(
            name, part, "there is none, so hits are refused while Redis is away", "set COUNTER_SPOOL_MB"
        )
    if fault:
        return fix(name, part, f"{where}: {fault}", "make the folder, and give it to the user of the service")
    if kind in {"tmpfs", "ramfs"}:
        detail = f"{where} is in memory ({kind}): hits that wait there are lost with the machine"
        return fix(name, part, detail, "let COUNTER_SPOOL_DIR name a folder on a disk")
    free_mb = free_bytes // MEGABYTE
    if free_mb < settings.spool_mb:
        detail = f"{where} may grow to {settings.spool_mb:,} MB, but its disk has only {free_mb:,} MB free"
        return consider(name, part, detail, "free some space, or lower COUNTER_SPOOL_MB")
    return good(name, part, f"{where}, {free_mb:,} MB free")


def judge_files(connections: int, hard_limit: int | None) -> Advice:
    """As many connections as are allowed may be open.

    Args:
        connections: COUNTER_CONNECTIONS.
        hard_limit: of open files, None if there is none.
    """
    name, part = "open_files", "this host"
    needed = connections + SPARE_FILES
    if hard_limit is None or hard_limit >= needed:
        return good(name, part, f"{connections:,} connections may be open")
    detail = f"only {hard_limit:,} files may be open, and COUNTER_CONNECTIONS={connections} needs {needed:,}"
    return fix(name, part, detail, "raise the limit (LimitNOFILE of the unit, ulimits of the container)")


def judge_ready(parts: dict[str, str]) -> list[Advice]:
    """The service itself says that it is ready; what it lacks is told by its own words.

    Args:
        parts: of `/readyz`, each `ok` or what is wrong.
    """
    wrong = {name: said for name, said in parts.items() if said != "ok"}
    if not wrong:
        return [good("service", "service", "it runs, and lacks nothing")]
    todo = "see the other lines, and docs/runbook.md"
    return [fix("service", "service", f"it runs, but {name}: {said}", todo) for name, said in wrong.items()]


def judge_public(status: int, port: int) -> Advice:
    """Nobody gets the metrics from the listener of the visitors; `status` is what it answers to /metrics."""
    name, part = "public_listener", "service"
    if status == 404:  # noqa: PLR2004 - what HTTP calls "not found"
        return good(name, part, f"it answers on port {port}, and shows no metrics there")
    detail = f"port {port} answers {status} to /metrics, so something else listens there or passes it on"
    return fix(name, part, detail, "let only the port of the pages be reached from outside")


def _is_wide(network: Network) -> bool:
    return network.num_addresses > (1 << 24 if network.version == 4 else 1 << 80)  # noqa: PLR2004 - of IP


def _is_near(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or "." not in host  # a container of the same network
