"""Looks for what must remain nowhere: an address or a user agent, as it is or in an encoding that is easily undone."""

from base64 import b64encode
from collections.abc import Iterator
from hashlib import md5, sha1, sha256
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from counter.database import Connection
from counter.hits.visitors import network_of, visitor_id

SHORT = 8
"""A needle of fewer bytes may be found by chance in a large pile of numbers."""


def spellings_of_address(text: str) -> set[bytes]:
    """An address as text, cut short, as a number, packed, as hexadecimal digits, and hashed without a secret."""
    address = ip_address(text)
    packed, number = address.packed, int(address)
    kept = packed if isinstance(address, IPv4Address) else packed[:8]
    prefix = (
        text.rpartition(".")[0] + "." if isinstance(address, IPv4Address) else ":".join(text.split(":")[:3])
    )
    texts = [text, address.exploded, prefix, address.reverse_pointer, str(number), packed.hex(), kept.hex()]
    found = {each.lower().encode() for each in texts} | {
        packed,
        kept,
        packed[::-1],
        b64encode(packed).lower(),
    }
    return found | hashes(text.encode()) | hashes(packed)


def spellings_of_agent(text: str, marker: str) -> set[bytes]:
    """A user agent, known by a marker in it: the marker, in hexadecimal and base64, and hashes of the whole."""
    told = text.encode()
    aligned = {b64encode(b" " * shift + marker.encode())[4:-4].lower() for shift in range(3)}
    return {marker.lower().encode(), marker.encode().hex().encode()} | aligned | hashes(told)


def unsalted_ids(site: str, address: str, agent: str) -> set[bytes]:
    """The visitor's id as it would be if the secret behind it were none."""
    ids = {
        visitor_id(salt, site, network_of(ip_address(address).packed), agent) for salt in (b"", b"\0" * 32)
    }
    return ids | {each.hex().encode() for each in ids}


def hashes(told: bytes) -> set[bytes]:
    """Digests without a key, as bytes and as digits."""
    digests = [algorithm(told, usedforsecurity=False).digest() for algorithm in (md5, sha1, sha256)]
    return {part for digest in digests for part in (digest[:SHORT], digest.hex()[: 2 * SHORT].encode())}


def find(needles: set[bytes], pile: bytes) -> set[bytes]:
    """The needles that are in a pile, whatever the case of its letters."""
    lower = pile.lower()
    return {needle for needle in needles if needle in pile or needle in lower}


def files_in(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Each file below a folder, with what it holds; one that a server removes meanwhile is passed over."""
    for file in folder.rglob("*"):
        try:
            if file.is_file():
                yield str(file.relative_to(folder)), file.read_bytes()
        except FileNotFoundError:
            continue


async def redis_contents(client: Redis) -> bytes:
    """All keys and values of a server, read as what they are."""
    pile: list[Any] = []
    async for key in client.scan_iter():
        kind = (await client.type(key)).decode()
        read = {
            "string": client.get,
            "hash": client.hgetall,
            "set": client.smembers,
            "zset": lambda each: client.zrange(each, 0, -1, withscores=True),
        }[kind]
        pile += [key, await read(key)]
    return b"\n".join(_flat(pile))


async def postgres_contents(connection: Connection) -> bytes:
    """All rows of all tables as text."""
    tables = await connection.fetch(
        "select format('%I.%I', schemaname, tablename) from pg_tables "
        "where schemaname not in ('pg_catalog', 'information_schema')"
    )
    pile = []
    for (table,) in tables:
        pile += [row[0] for row in await connection.fetch(f"select each::text from {table} as each")]
    return "\n".join(pile).encode()


def _flat(value: Any) -> Iterator[bytes]:
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, dict):
        for pair in value.items():
            yield from _flat(pair)
    elif isinstance(value, list | tuple | set):
        for each in value:
            yield from _flat(each)
    else:
        yield str(value).encode()
