"""The file that declares sites: YAML, read strictly, so that each mistake is told with its line. Pure."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import yaml

from counter.administration.documents import FieldError
from counter.administration.plan import Wanted, wanted_of
from counter.errors import SiteError

MAX_BYTES: Final = 16 * 1024 * 1024
_TOP: Final = frozenset({"sites", "defaults"})


class _Entry(NamedTuple):
    """A mapping of the file, and the lines of its fields."""

    values: dict[str, Any]
    lines: dict[str, int]
    line: int


def parse_file(body: bytes, name: str) -> list[Wanted]:
    """Return the sites that a file declares.

    Args:
        body: YAML with `sites`, a list of sites with their keys, and perhaps `defaults` for all of them.
        name: of the file, for complaints.

    Raises:
        SiteError: it says something else; the message has the line.
    """
    if len(body) > MAX_BYTES:
        raise SiteError(f"{name}: it is larger than {MAX_BYTES // 1024 // 1024} MB")
    try:
        loader = yaml.CSafeLoader(body)
        top = _entry(loader.get_single_node(), loader, name, deep=False)
        if not set(top.values) <= _TOP or "sites" not in top.values:
            raise SiteError(f"{name}: it has `sites`, a list, and perhaps `defaults`, and nothing else")
        defaults = _entry(top.values["defaults"], loader, name) if "defaults" in top.values else None
        nodes = top.values["sites"]
        if not isinstance(nodes, yaml.SequenceNode):
            raise SiteError(f"{name}:{top.lines['sites']}: sites: it is a list")
        entries = [_entry(node, loader, name) for node in nodes.value]
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SiteError(f"{name}:{line}: {error.problem}") from error
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise SiteError(f"{name}: it is no YAML in UTF-8") from error
    return _checked(entries, defaults, name)


def _checked(entries: list[_Entry], defaults: _Entry | None, name: str) -> list[Wanted]:
    found: list[Wanted] = []
    lines: dict[str, int] = {}
    common: Mapping[str, Any] = {}
    if defaults:
        if "key" in defaults.values:
            raise SiteError(f"{name}:{defaults.line}: defaults: each site has a key of its own")
        _wanted({"key": "x"}, defaults.values, defaults, name)
        common = defaults.values
    for entry in entries:
        site = _wanted(entry.values, common, entry, name)
        if site.key in lines:
            raise SiteError(f"{name}:{entry.line}: {site.key}: it is there already in line {lines[site.key]}")
        lines[site.key] = entry.line
        found.append(site)
    return found


def _wanted(values: Mapping[str, Any], common: Mapping[str, Any], entry: _Entry, name: str) -> Wanted:
    try:
        return wanted_of(values, common)
    except FieldError as error:
        raise SiteError(f"{name}:{entry.lines.get(error.field, entry.line)}: {error}") from error


def _entry(node: "yaml.Node | None", loader: "yaml.CSafeLoader", name: str, *, deep: bool = True) -> _Entry:
    """Return a mapping's fields; each once, and lists of plain values at most, so nothing unfolds."""
    if not isinstance(node, yaml.MappingNode):
        line = node.start_mark.line + 1 if node else 1
        raise SiteError(f"{name}:{line}: here are fields with a colon, such as `key: portal`")
    values: dict[str, Any] = {}
    lines: dict[str, int] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        field = str(key_node.value)
        if field in values:
            raise SiteError(f"{name}:{line}: {field}: it is there twice")
        lines[field] = line
        values[field] = _plain(value_node, loader, name) if deep else value_node
    return _Entry(values, lines, node.start_mark.line + 1)


def _plain(node: "yaml.Node", loader: "yaml.CSafeLoader", name: str) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_object(node)
    if isinstance(node, yaml.SequenceNode) and all(isinstance(item, yaml.ScalarNode) for item in node.value):
        return [loader.construct_object(item) for item in node.value]
    raise SiteError(f"{name}:{node.start_mark.line + 1}: here is a value or a list of values")
