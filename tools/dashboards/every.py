"""All dashboards, by the name of their file."""

import json

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from tools.dashboards import portal, service, sites


def every() -> dict[str, str]:
    """Return the JSON of each dashboard."""
    built = {
        "portal.json": portal.dashboard(),
        "service.json": service.dashboard(),
        "sites.json": sites.dashboard(),
    }
    return {name: json.dumps(each.build(), cls=JSONEncoder, indent=1) + "\n" for name, each in built.items()}
