"""Reads what a request to the administration says."""

import asyncio
from datetime import date
from typing import Any, Final

import msgspec
from aiohttp import web

from counter.administration.plan import Wanted, wanted_of
from counter.aggregates.entries import MAX_AMOUNT
from counter.bodies import SlowBodyError, UnsupportedBodyError
from counter.errors import InvalidInputError, TooLargeError, UnknownSiteError

MOST_LISTED: Final = 500
MAX_BYTES: Final = 64 * 1024
MAX_APPLY_BYTES: Final = 16 * 1024 * 1024
MAX_LIST_BYTES: Final = 4 * 1024 * 1024
"""A hundred thousand pages; more by command."""
BODY_SECONDS: Final = 30.0
MAX_TEXT: Final = 500
_TYPES: Final = frozenset({"application/json", "application/merge-patch+json"})
_LIST_TYPES: Final = frozenset({"text/csv"})


async def read_object(request: web.Request, names: set[str] | None, limit: int = MAX_BYTES) -> dict[str, Any]:
    """Return the JSON object that a request brings.

    Args:
        request: whose body it is.
        names: the fields that it may have; None if another rule knows them.
        limit: of bytes.

    Raises:
        UnsupportedBodyError, TooLargeError, SlowBodyError, InvalidInputError: it brings something else.
    """
    body = await _read(request, _TYPES, limit)
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInputError("the body is no JSON") from error
    if not isinstance(found, dict):
        raise InvalidInputError("the body is a JSON object")
    if names is not None and (strange := sorted(set(found) - names)):
        raise InvalidInputError(f"{strange[0][:MAX_TEXT]!a} is not one of {', '.join(sorted(names))}")
    return found


async def read_list(request: web.Request) -> bytes:
    """Return the CSV that a request brings.

    Raises:
        UnsupportedBodyError, TooLargeError, SlowBodyError: it brings something else.
    """
    return bytes(await _read(request, _LIST_TYPES, MAX_LIST_BYTES))


async def _read(request: web.Request, types: frozenset[str], limit: int) -> bytearray:
    if request.content_type not in types or "Content-Encoding" in request.headers:
        raise UnsupportedBodyError(f"the body is {min(types)}, not compressed")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while chunk := await request.content.readany():
                body += chunk
                if len(body) > limit:
                    raise TooLargeError
    except TimeoutError as error:
        raise SlowBodyError("the body does not come") from error
    return body


def site_key(request: web.Request) -> str:
    """Return the key of the site that an address names.

    Raises:
        UnknownSiteError: no site can have it.
    """
    key = request.match_info["site"]
    if "\0" in key or not key.isprintable():
        raise UnknownSiteError
    return key


def asked_flag(request: web.Request, name: str) -> bool:
    """Return a flag of the query, false if it is not there.

    Raises:
        InvalidInputError: it is neither true nor false.
    """
    value = request.query.get(name, "false")
    if value not in {"true", "false"}:
        raise InvalidInputError(f"{name} is true or false")
    return value == "true"


def asked_limit(request: web.Request) -> int:
    """Return how many things a page of a list is to have.

    Raises:
        InvalidInputError: it is not 1 to 500.
    """
    limit = _number(request, "limit", 50)
    if limit is None or not 1 <= limit <= MOST_LISTED:
        raise InvalidInputError(f"limit is 1 to {MOST_LISTED}")
    return limit


def asked_id(request: web.Request, name: str) -> int | None:
    """Return the id behind or before which a page of a list lies.

    Raises:
        InvalidInputError: it is no id.
    """
    return _number(request, name, None)


def asked_text(request: web.Request, name: str) -> str:
    """Return a text of the query, empty if there is none.

    Raises:
        InvalidInputError: it is long, or has characters that no text has.
    """
    text = request.query.get(name, "")
    if len(text) > MAX_TEXT or (text and not text.isprintable()):
        raise InvalidInputError(f"{name} has at most {MAX_TEXT} characters, all printable")
    return text


def asked_tags(request: web.Request) -> list[str]:
    """Return the entity tags of `If-Match`."""
    return [tag.strip() for tag in request.headers.get("If-Match", "").split(",") if tag.strip()]


def text_of(body: dict[str, Any], name: str) -> str | None:
    """Return a text of a body, None if it is not there.

    Raises:
        InvalidInputError: it is no text.
    """
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise InvalidInputError(f"{name} is a text")
    return value


def number_of(body: dict[str, Any], name: str) -> int | None:
    """Return a whole number of a body, None if it is not there.

    Raises:
        InvalidInputError: it is none.
    """
    value = body.get(name)
    if value is not None and (
        not isinstance(value, int) or isinstance(value, bool) or abs(value) > MAX_AMOUNT
    ):
        raise InvalidInputError(f"{name} is a whole number, at most {MAX_AMOUNT}")
    return value


def flag_of(body: dict[str, Any], name: str) -> bool:
    """Return a flag of a body, false if it is not there.

    Raises:
        InvalidInputError: it is neither true nor false.
    """
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise InvalidInputError(f"{name} is true or false")
    return value


def day_of(body: dict[str, Any]) -> date | None:
    """Return the day of a body, None if it is not there.

    Raises:
        InvalidInputError: it is no date.
    """
    text = text_of(body, "day")
    try:
        return date.fromisoformat(text) if text is not None else None
    except ValueError as error:
        raise InvalidInputError("day is a date such as 2026-11-24") from error


def declared_of(body: dict[str, Any]) -> list[Wanted]:
    """Return the sites that a body declares.

    Raises:
        InvalidInputError: it declares none.
        SiteError: one of them is none.
    """
    sites, defaults = body.get("sites"), body.get("defaults", {})
    if not isinstance(sites, list) or not all(isinstance(site, dict) for site in sites):
        raise InvalidInputError("sites is a list of objects")
    if not isinstance(defaults, dict) or "key" in defaults:
        raise InvalidInputError("defaults is an object without a key")
    return [wanted_of(site, defaults) for site in sites]


def _number(request: web.Request, name: str, default: int | None) -> int | None:
    text = request.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):  # noqa: PLR2004 - what a bigint holds
        raise InvalidInputError(f"{name} is a whole number")
    return int(text)
