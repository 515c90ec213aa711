"""Whether traces are wanted, as the standard variables of OpenTelemetry say. Pure."""

from collections.abc import Mapping
from typing import Final, NamedTuple

PREFIX: Final = "OTEL_"
ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
TRACES_ENDPOINT: Final = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
EXPORTER: Final = "OTEL_TRACES_EXPORTER"
DISABLED: Final = "OTEL_SDK_DISABLED"
PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
PROTOCOL: Final = "http/protobuf"
NEAR: Final = "http://localhost:4318"


class Wanted(NamedTuple):
    """What is wanted.

    Attributes:
        endpoint: address to which traces go; empty if none are wanted.
        fault: why they cannot go there, empty if they can.
    """

    endpoint: str = ""
    fault: str = ""


def wanted_of(variables: Mapping[str, str]) -> Wanted:
    """Return what the variables say; an exporter or an endpoint has to be named."""
    get = {name: value.strip() for name, value in variables.items()}.get
    exporters = [name.strip() for name in get(EXPORTER, "").lower().split(",") if name.strip()]
    if get(DISABLED, "").lower() == "true" or exporters == ["none"]:
        return Wanted()
    if not exporters and not get(ENDPOINT) and not get(TRACES_ENDPOINT):
        return Wanted()
    endpoint = get(TRACES_ENDPOINT) or (get(ENDPOINT) or NEAR).rstrip("/") + "/v1/traces"
    if exporters and exporters != ["otlp"]:
        return Wanted(endpoint, f"{EXPORTER} names {', '.join(exporters)}; there is otlp alone")
    for name in PROTOCOLS:
        if protocol := get(name):
            return Wanted(endpoint, "" if protocol == PROTOCOL else f"{name} has to be {PROTOCOL}")
    return Wanted(endpoint)
