"""All dashboards, by the name of their file."""

import json

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from tools.dashboards import portal, service, sites


def every() -> dict[str, str]:
    """Return the JSON of each dashboard."""
    built = {
        "portal.json": portal.dashboard(),
        "service.json": service.dashboard(),
        "sites.json": sites.dashboard(),
    }
    return {name: _text(each) for name, each in built.items()}


def _text(board: Dashboard) -> str:
    made = board.build()
    for number, panel in enumerate(made.panels or [], start=1):
        panel.id_val = number  # so that links to a panel stay as long as the panels stay in their places
    return json.dumps(made, cls=JSONEncoder, indent=1) + "\n"
