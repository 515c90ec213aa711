"""Logs: one JSON object a line on standard error; nothing that a visitor sent gets into it.

No text from outside can begin a line of its own. Of an exception only type and place are told, as its words
may quote a header. What libraries log is cut where they begin to quote: the HTTP server names the client's
address.
"""

import logging
import sys
import traceback

import structlog
from structlog.typing import EventDict, ExcInfo, Processor


def set_up_logs(level: str) -> None:
    """Send this program's logs, and those of its libraries, to standard error as JSON lines."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,  # the trace, where there is one
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        without_quotes,
        structlog.processors.ExceptionRenderer(place_of),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),  # in ASCII: no terminal obeys it, no surrogate breaks it
            ],
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    logging.raiseExceptions = False  # a line that cannot be written is not shown as it came in instead


def without_quotes(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Cut what a library logs where it begins to quote."""
    record = event.get("_record")
    if isinstance(record, logging.LogRecord):
        event["event"] = str(record.msg).partition("%")[0].partition("\n")[0].strip()
    return event


def place_of(exc_info: ExcInfo) -> str:
    """Return where an exception was raised, and its type and those of its causes, without their words."""
    _kind, error, _trace = exc_info
    told = []
    seen: BaseException | None = error
    while seen is not None:
        told.append("".join(traceback.format_tb(seen.__traceback__)) + type(seen).__qualname__)
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return "\nThis was raised while handling\n".join(told)
