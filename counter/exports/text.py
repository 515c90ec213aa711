"""Rows as CSV that runs nothing in a spreadsheet, and as JSON Lines. Pure."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Final

import msgspec

from counter.exports.tables import Column, Row, Value

_RISKY: Final = tuple("=+-@|%\t\r\n\uff0b\uff0d\uff1d\uff20")
_APOSTROPHE: Final = "'"


def csv_head(columns: Sequence[Column]) -> bytes:
    """Return the first line."""
    return (",".join(column.name for column in columns) + "\r\n").encode()


def csv_lines(rows: Sequence[Row]) -> bytes:
    """Return rows as RFC 4180 says, in UTF-8: numbers bare, texts quoted, nothing where nothing is known."""
    return "".join(",".join(map(_cell, row)) + "\r\n" for row in rows).encode()


def guarded(text: str) -> str:
    """Put an apostrophe before what a spreadsheet would take for a formula.

    Where a text begins with an apostrophe it gets one more, so `unguarded` gives every text back.
    """
    risky = text.lstrip(" \u00a0").startswith(_RISKY) or text.startswith(_APOSTROPHE)
    return _APOSTROPHE + text if risky else text


def unguarded(text: str) -> str:
    """Take the apostrophe away that `guarded` put there."""
    return text.removeprefix(_APOSTROPHE)


def json_lines(columns: Sequence[Column], rows: Sequence[Row]) -> bytes:
    """Return an object for each row, each on a line of its own."""
    names = [column.name for column in columns]
    encode = msgspec.json.encode
    lines = (encode(dict(zip(names, map(_plain, row), strict=True))) for row in rows)
    return b"".join(line + b"\n" for line in lines)


def _cell(value: Value) -> str:
    plain = _plain(value)
    if plain is None:
        return ""
    if isinstance(plain, bool):
        return "true" if plain else "false"
    if isinstance(plain, int):
        return str(plain)
    if isinstance(value, date):
        return str(plain)
    # The texts of a list have no space in them.
    text = plain if isinstance(plain, str) else " ".join(plain)
    return '"' + guarded(text).replace('"', '""') + '"'


def _plain(value: Value) -> str | int | bool | list[str] | None:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, date):
        return value.isoformat()
    if value is None or isinstance(value, str | int | bool):
        return value
    return list(value)
