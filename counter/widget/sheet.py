"""Figures as CSV that a spreadsheet opens without running anything in it. Pure."""

from collections.abc import Iterable, Sequence
from typing import Final

Cell = str | int | bool | None

BYTE_ORDER_MARK: Final = "\ufeff"
"""Tells spreadsheets that the text is UTF-8."""

_STARTS_FORMULA: Final = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "\n",
    "|",
    "%",
    "\uff1d",
    "\uff0b",
    "\uff0d",
    "\uff20",
)


def to_csv(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """Return a CSV file (RFC 4180, UTF-8): numbers bare, texts quoted, what is not known left empty."""
    lines = [",".join(header), *(",".join(map(_spell, row)) for row in rows)]
    return (BYTE_ORDER_MARK + "".join(f"{line}\r\n" for line in lines)).encode()


def _spell(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, int):
        return str(cell)
    # An apostrophe in front makes a text of what a spreadsheet would take for a formula.
    safe = f"'{cell}" if cell.lstrip(" \u00a0").startswith(_STARTS_FORMULA) else cell
    return '"' + safe.replace('"', '""') + '"'
