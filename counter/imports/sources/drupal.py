"""Drupal: the views of nodes, as its module Statistics counts them. Pure.

`node_counter` has `nid`, `totalcount`, `daycount`, `timestamp` (`statistics.install` of Drupal 7 to 10;
since 11 a module of its own). The address of a node is its newest alias: in `path_alias` (`path`, `alias`)
since Drupal 8.8, in `url_alias` (`source`, `alias`) before; a node without one is at `/node/NID`.
"""

from collections.abc import Iterable, Mapping
from typing import ClassVar

from counter.imports.records import Page, Record, Row
from counter.imports.sources.tables import Kind, number_of, text_of


class Drupal:
    """Reads `node_counter`, `path_alias` and `url_alias`."""

    title: ClassVar[str] = "Drupal's Statistics"
    kinds: ClassVar[Mapping[str, Kind]] = {
        "nodes": Kind(r"(?P<prefix>.*?)node_counter", frozenset(("nid", "totalcount"))),
        "paths": Kind(r"(?P<prefix>.*?)path_alias", frozenset(("path", "alias"))),
        "urls": Kind(r"(?P<prefix>.*?)url_alias", frozenset(("source", "alias"))),
    }

    def __init__(self) -> None:
        self._views: dict[str, int] = {}
        self._aliases: dict[str, str] = {}

    def take(self, kind: str, row: Row) -> Iterable[Record]:
        """Read one row."""
        if kind == "nodes":
            self._views[f"node/{number_of(row, 'nid')}"] = number_of(row, "totalcount")
        elif row.values.get("status") != "0":
            path = text_of(row, "path" if kind == "paths" else "source")
            self._aliases[path.strip("/")] = "/" + text_of(row, "alias").lstrip("/")
        return ()

    def finish(self) -> Iterable[Record]:
        """Tell the views of nodes under their addresses."""
        for node, views in self._views.items():
            yield Page(self._aliases.get(node, f"/{node}"), views)
