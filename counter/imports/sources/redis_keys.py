"""The keys of busuanzi and vercount in Redis. Pure.

busuanzi (`core/count.go` of soxft/busuanzi): `PREFIX:site_pv:md5(host)` is a number, `PREFIX:site_uv:…` a
set or a HyperLogLog, `PREFIX:page_pv:md5(host)` a sorted set of the pages' hashes, in the first version a
number under `PREFIX:page_pv:HASH`. A page's hash is the MD5 of the path, of host and path, or of
`host&path`, of which some versions keep the middle; which page it is tells the sitemap. vercount
(`apps/web/src/utils/counter.ts` of EvanNotFound/vercount): `pv:site:HOST`, `uv:site:count:HOST`,
`pv:page:HOST:PATH`, and before version 2 `site_pv:HOST`, `site_uv:HOST`, `page_pv:HOSTPATH`.
"""

import json
import re
from collections.abc import Iterable, Iterator
from hashlib import md5
from html import unescape
from typing import Final, NamedTuple
from urllib.parse import quote, unquote, urlsplit

from counter.errors import InvalidInputError
from counter.imports.records import Bad, Balance, Page, Record
from counter.imports.sources.tables import number, read_csv

_LOCATION: Final = re.compile(r"<loc>\s*([^<\s]+)\s*</loc>")
_ADDRESS: Final = re.compile(r"https?://[^\s<>\"']+")


class Entry(NamedTuple):
    """A key with its number, or a member of a sorted set with its score; a set counts its members."""

    line: int
    key: str
    member: str
    amount: int


def read_entries(text: str, file: str) -> Iterator[Entry | Bad]:
    """Read a dump of keys: a JSON object, or CSV with `key,value` or `key,member,value`.

    In JSON a value is a number or text, an object or a flat list of members and scores (of `ZRANGE` with
    scores), or a list of members (of `SMEMBERS`).
    """
    if text.lstrip("\ufeff \r\n\t").startswith("{"):
        yield from _read_json(text, file)
        return
    for row in read_csv(text.splitlines(keepends=True), file):
        if isinstance(row, Bad):
            yield row
            continue
        try:
            key, member = row.values.get("key") or "", row.values.get("member") or ""
            yield Entry(row.line, key, member, number(row.values.get("value") or "", "value"))
        except InvalidInputError as reason:
            yield Bad(file, row.line, str(reason))


def _read_json(text: str, file: str) -> Iterator[Entry | Bad]:
    try:
        found = json.loads(text.lstrip("\ufeff"))
    except (ValueError, RecursionError) as error:
        yield Bad(file, getattr(error, "lineno", 1), "no JSON")
        return
    for place, (key, value) in enumerate(found.items(), start=1):
        pairs: Iterable[tuple[object, object]]
        if isinstance(value, dict):
            pairs = value.items()
        elif isinstance(value, list) and "_uv:" not in key and not key.startswith("uv:"):
            pairs = zip(value[::2], value[1::2], strict=False)
        else:
            pairs = [("", len(value) if isinstance(value, list) else value)]
        for member, amount in pairs:
            try:
                yield Entry(place, key, str(member), number(str(amount), key[:60]))
            except InvalidInputError as reason:
                yield Bad(file, place, str(reason))


def read_sitemap(text: str) -> list[str]:
    """Return the addresses in a sitemap, or in a list of them."""
    found = _LOCATION.findall(text) or _ADDRESS.findall(text)
    return [unescape(address) for address in found]


def hashes(addresses: Iterable[str], host: str) -> dict[str, str]:
    """Return hash → path of all hashes under which busuanzi may know some pages."""
    found: dict[str, str] = {}
    for address in addresses:
        try:
            path = urlsplit(address).path or "/"
        except ValueError:
            continue
        for spelling in _spellings(path):
            for hashed in (spelling, f"{host}{spelling}", f"{host}&{spelling}"):
                digest = _md5(hashed)
                found.setdefault(digest, path)
                found.setdefault(digest[8:24], path)
    return found


def _spellings(path: str) -> set[str]:
    plain = path.removesuffix("/") if path != "/" else path
    ways = {path, plain, plain.rstrip("/") + "/", plain.rstrip("/") + "/index.html"}
    ways |= {unquote(way) for way in ways}
    return ways | {quote(way, safe="/%") for way in ways}


def busuanzi(entries: Iterable[Entry | Bad], host: str, pages: dict[str, str], file: str) -> Iterator[Record]:
    """Tell what busuanzi counted of a host; pages that the sitemap has not are in the total alone."""
    names = {_md5(host), _md5(host)[8:24]}
    views = visitors = None
    for entry in entries:
        if isinstance(entry, Bad):
            yield entry
            continue
        kind, _, name = _behind(entry.key, ("site_pv:", "site_uv:", "page_pv:"))
        if kind == "site_pv:" and name in names:
            views = entry.amount
        elif kind == "site_uv:" and name in names:
            visitors = entry.amount
        elif kind == "page_pv:" and name in (names if entry.member else pages):
            path = pages.get(entry.member or name)
            if path:
                yield Page(path, entry.amount)
    yield from _total(views, visitors, host, file)


def vercount(entries: Iterable[Entry | Bad], host: str, file: str) -> Iterator[Record]:
    """Tell what vercount counted of a host."""
    views = visitors = None
    for entry in entries:
        if isinstance(entry, Bad):
            yield entry
        elif entry.key in {f"pv:site:{host}", f"site_pv:{host}"}:
            views = entry.amount
        elif entry.key in {f"uv:site:count:{host}", f"site_uv:{host}"}:
            visitors = entry.amount
        elif path := _page_of(entry.key, host):
            yield Page(path, entry.amount)
    yield from _total(views, visitors, host, file)


def _page_of(key: str, host: str) -> str | None:
    for start in (f"pv:page:{host}:/", f"page_pv:{host}/"):
        if key.startswith(start):
            return "/" + key.removeprefix(start)
    return None


def _behind(key: str, kinds: Iterable[str]) -> tuple[str, str, str]:
    """Return the kind of a key and what stands behind it, whatever its prefix."""
    for kind in kinds:
        before, found, name = key.rpartition(kind)
        if found:
            return kind, before, name
    return "", "", ""


def _total(views: int | None, visitors: int | None, host: str, file: str) -> Iterator[Record]:
    if views is None and visitors is None:
        yield Bad(file, 0, f"there is no total of {host}; is that the host as its pages have it?")
    else:
        yield Balance(views=views, visitors=visitors, whole=True)


def _md5(text: str) -> str:
    return md5(text.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()
