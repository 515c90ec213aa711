"""Opens the tracing of a process, if the environment asks for it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

import structlog

from counter.config import read_variables
from counter.tracing.tracing import Attributes, Span, Tracing, Unfollowed
from counter.tracing.wanted import PREFIX, wanted_of

MISSING: Final = "the extra `telemetry` is not installed"

log = structlog.get_logger(__name__)


@asynccontextmanager
async def open_tracing() -> AsyncGenerator[Tracing | None]:
    """Yield what follows the work of this process, None if nobody does; then send what is left.

    Raises:
        ConfigError: a variable of OpenTelemetry cannot be read.
    """
    wanted = wanted_of(read_variables(PREFIX))
    tracing = None
    if wanted.endpoint and not (fault := wanted.fault or fault_of_extra()):
        from counter.tracing.telemetry import OpenTelemetry  # noqa: PLC0415 - needs the extra `telemetry`

        tracing = OpenTelemetry()
    elif wanted.endpoint:
        log.warning("no traces", reason=fault)
    try:
        yield tracing
    finally:
        if tracing:
            await asyncio.to_thread(tracing.close)


@asynccontextmanager
async def followed(name: str, attributes: Attributes) -> AsyncGenerator[Span]:
    """Follow the block, the whole of a command, as a trace of its own."""
    async with open_tracing() as tracing:
        if tracing is None:
            yield Unfollowed()
        else:
            with tracing.apart(name, attributes) as span:
                yield span


def fault_of_extra() -> str:
    """Return why traces cannot be made here, empty if they can."""
    try:
        import opentelemetry.exporter.otlp.proto.http  # noqa: PLC0415
        import opentelemetry.sdk  # noqa: F401, PLC0415
    except ModuleNotFoundError:
        return MISSING
    return ""
