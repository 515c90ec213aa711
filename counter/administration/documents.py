"""A site as people write it, in a file or in JSON, and what is wrong with it if something is. Pure."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, Final

from counter.errors import SiteError
from counter.sites.model import Site, SiteSettings, check_key

WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
DEFAULTS: Final = SiteSettings()
_SPELT: Final = {"first_weekday": "week_start"}
_NAMES: Final = {_SPELT.get(field.name, field.name): field.name for field in fields(SiteSettings)}
NAMES: Final = ("key", "enabled", *_NAMES)
"""The fields of a document."""
MAX_NAME: Final = 200
MAX_LISTED: Final = 200


class FieldError(SiteError):
    """A field of a site is not as it has to be."""

    def __init__(self, detail: str = "", field: str = "") -> None:
        super().__init__(detail)
        self.field = field


def document_of(site: Site) -> dict[str, Any]:
    """Return a site as a document: plain values, all fields."""
    return {"key": site.key, "enabled": site.enabled, **settings_document(site.settings)}


def settings_document(settings: SiteSettings) -> dict[str, Any]:
    """Return settings as plain values."""
    found: dict[str, Any] = {}
    for spelt, name in _NAMES.items():
        value = getattr(settings, name)
        found[spelt] = list(value) if isinstance(value, tuple) else value
    return found | {"week_start": WEEKDAYS[settings.first_weekday - 1]}


def merged(settings: SiteSettings, document: Mapping[str, Any]) -> SiteSettings:
    """Return settings with those of a document in place of their own; null brings back the product's default.

    Raises:
        FieldError: a field is unknown, of another type, or against the rules.
    """
    given: dict[str, Any] = {}
    for spelt, value in document.items():
        if spelt in {"key", "enabled"}:
            continue
        name = _NAMES.get(spelt)
        if name is None:
            raise FieldError(f"{spelt}: there is no such setting; there are {', '.join(NAMES)}", spelt)
        default = getattr(DEFAULTS, name)
        given[name] = default if value is None else _value(spelt, name, value, default)
    try:
        return replace(settings, **given)
    except SiteError:
        for spelt, name in _NAMES.items():
            if name in given:
                _check_alone(spelt, name, given[name])
        raise


def key_of(document: Mapping[str, Any]) -> str:
    """Return the key of a document.

    Raises:
        FieldError: there is none, or none that a site may have.
    """
    key = document.get("key")
    if not isinstance(key, str):
        raise FieldError("key: it is a text; put a number into quotes", "key")
    try:
        return check_key(key)
    except SiteError as error:
        raise FieldError(f"key: {error}", "key") from error


def enabled_of(document: Mapping[str, Any], *, default: bool) -> bool:
    """Return whether a document lets its site count.

    Raises:
        FieldError: it is neither true nor false.
    """
    enabled = document.get("enabled")
    if enabled is None:
        return default
    if not isinstance(enabled, bool):
        raise FieldError("enabled: it is true or false", "enabled")
    return enabled


def _check_alone(spelt: str, name: str, value: Any) -> None:
    try:
        replace(DEFAULTS, **{name: value})
    except SiteError as error:
        raise FieldError(f"{spelt}: {error}", spelt) from error


def _value(spelt: str, name: str, value: Any, default: Any) -> Any:
    if name == "first_weekday":
        if value not in WEEKDAYS:
            raise FieldError(f"week_start: it is one of {', '.join(WEEKDAYS)}", spelt)
        return WEEKDAYS.index(value) + 1
    if isinstance(default, tuple):
        return _texts(spelt, value)
    if type(value) is not type(default):
        kind = {str: "a text; put it into quotes", bool: "true or false", int: "a whole number"}[
            type(default)
        ]
        raise FieldError(f"{spelt}: it is {kind}", spelt)
    if isinstance(value, str) and (len(value) > MAX_NAME or not value.isprintable()):
        raise FieldError(f"{spelt}: it has at most {MAX_NAME} characters, all printable", spelt)
    return value


def _texts(spelt: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise FieldError(f"{spelt}: it is a list of texts", spelt)
    if len(value) > MAX_LISTED or not all(item.isprintable() for item in value):
        raise FieldError(f"{spelt}: it has at most {MAX_LISTED} texts, all printable", spelt)
    return tuple(value)
