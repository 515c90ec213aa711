"""What Grafana does to a panel's query before it sends it, and the queries of all panels."""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

SCRAPE_SECONDS = 15
VARIABLES = {"site": "portal", "metric": "visits"}


class Target(NamedTuple):
    """A query of a panel."""

    panel: str
    query: str


def boards(here: Path) -> dict[str, dict[str, Any]]:
    folder = here / "deploy" / "grafana" / "dashboards"
    return {file.name: json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.json"))}


def panels(here: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, board in boards(here).items():
        for panel in board["panels"]:
            if panel["type"] != "row":
                yield f"{name}: {panel['title']}", panel


def targets(here: Path, field: str) -> list[Target]:
    """All PromQL (`expr`) or SQL (`rawSql`)."""
    return [
        Target(f"{name} {target['refId']}", target[field])
        for name, panel in panels(here)
        for target in panel["targets"]
        if field in target
    ]


def expanded_promql(text: str) -> str:
    """As the Prometheus data source does with a scrape interval of 15 s and a step no longer than that."""
    return _with_variables(text.replace("$__rate_interval", f"{4 * SCRAPE_SECONDS}s"))


def expanded_sql(text: str, begin: datetime, end: datetime) -> str:
    """As the Postgres data source does."""
    first, last = (f"'{at.strftime('%Y-%m-%dT%H:%M:%SZ')}'" for at in (begin, end))
    text = text.replace("$__timeFrom()", first).replace("$__timeTo()", last)
    text = re.sub(r"\$__timeFilter\(([^)]*)\)", rf"\1 BETWEEN {first} AND {last}", text)
    assert "$__" not in text, f"a macro that this helper does not know: {text}"
    return _with_variables(text)


def _with_variables(text: str) -> str:
    for name, value in VARIABLES.items():
        text = re.sub(rf"\${name}\b", value, text)
    assert "$" not in text, f"a variable that no dashboard has: {text}"
    return text
