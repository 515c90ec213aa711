"""What can be exported: the tables, their columns, and what these hold. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import date, datetime
from typing import Any, Final, Literal, NamedTuple, get_args, get_type_hints

from counter.sites.model import SiteSettings

Kind = Literal["text", "texts", "number", "flag", "day", "moment"]
Table = Literal["days", "hours", "pages", "adjustments", "imports", "sites"]
TABLES: Final[tuple[Table, ...]] = get_args(Table)
Value = str | int | bool | date | datetime | Sequence[str] | None
Row = tuple[Value, ...]
"""The values of one row, in the order of the columns; a moment is UTC."""


class Column(NamedTuple):
    """A column: its name, and what it holds beside nothing."""

    name: str
    kind: Kind


def _columns(text: str) -> tuple[Column, ...]:
    return tuple(Column(*pair.split(":")) for pair in text.split())  # type: ignore[arg-type]


def _setting(annotation: Any) -> Kind:
    """Return what a column of a site's setting holds."""
    if annotation is bool:
        return "flag"
    if annotation is int:
        return "number"
    return "texts" if annotation == tuple[str, ...] else "text"


_HINTS: Final = get_type_hints(SiteSettings)

COLUMNS: Final[Mapping[Table, tuple[Column, ...]]] = {
    "days": _columns("site:text day:day views:number visits:number visitors:number bots:number"),
    "hours": _columns("site:text day:day hour:number views:number visits:number"),
    "pages": _columns("site:text path:text day:day views:number"),
    "adjustments": _columns(
        "site:text id:number created_at:moment metric:text amount:number reason:text author:text"
    ),
    "imports": _columns(
        "site:text id:number finished_at:moment file_name:text digest:text options:text "
        "lines:number malformed:number"
    ),
    # All settings, whichever there are; never the secret, which is none of them.
    "sites": (
        *_columns("key:text enabled:flag created_at:moment changed_at:moment"),
        *(Column(field.name, _setting(_HINTS[field.name])) for field in fields(SiteSettings)),
    ),
}
