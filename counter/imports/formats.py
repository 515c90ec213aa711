r"""Which lines a log has: Apache's and nginx', W3C of IIS, or a format of one's own. Pure.

A format is spelt in one text, so that it can be handed to another process: `combined`, `w3c` with the names
of its fields behind it (https://www.w3.org/TR/WD-logfile.html; IIS logs in UTC, and spells spaces in a user
agent as `+`), or a template as nginx' `log_format` has it: `$remote_addr [$time_iso8601] "$request" $status`.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Final
from urllib.parse import unquote_plus

from counter.errors import ImportFileError
from counter.imports.logs import MAX_LINE_BYTES, LoggedRequest, parse_line, parse_time, unescape

COMBINED: Final = "combined"
W3C: Final = "w3c"

Parse = Callable[[bytes], LoggedRequest | None]

_VARIABLE: Final = re.compile(r"\$(?:(\w+)|\{(\w+)\})", re.ASCII)
_NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "client": ("http_x_forwarded_for", "http_x_real_ip", "realip_remote_addr", "remote_addr", "remote_host"),
    "time": ("time_local", "time_iso8601", "msec"),
    "target": ("request", "request_uri", "uri"),
}
"""What a line has to tell, and the variables that do; the first one that is there is believed."""
_W3C_NEEDED: Final = ("date", "time", "cs-uri-stem")


@lru_cache(maxsize=64)
def parser_of(format_: str) -> Parse:
    """Return what reads a line of a format; it returns None for a line that is malformed.

    Raises:
        ImportFileError: nothing can be counted in this format.
    """
    if format_ == COMBINED:
        return parse_line
    if format_ == W3C or format_.startswith(W3C + " "):
        return partial(_parse_w3c, _w3c_fields(format_.split()[1:]))
    return _template_parser(format_)


def _w3c_fields(names: list[str]) -> Mapping[str, int]:
    fields = {name: place for place, name in enumerate(names)}
    if names and not all(name in fields for name in _W3C_NEEDED):
        raise ImportFileError(f"#Fields has to have {', '.join(_W3C_NEEDED)}")
    return fields


def _parse_w3c(fields: Mapping[str, int], line: bytes) -> LoggedRequest | None:
    values = line[:MAX_LINE_BYTES].decode("utf-8", "surrogateescape").split()
    if not fields or len(values) != len(fields):
        return None

    def value(name: str) -> str:
        found = values[fields[name]] if name in fields else "-"
        return "" if found == "-" else found

    at_ms = parse_iso(f"{value('date')}T{value('time')}Z")
    status = value("sc-status") or "0"
    if at_ms is None or not status.isascii() or not status.isdigit():
        return None
    query = value("cs-uri-query")
    agent = "cs(User-Agent)"
    return LoggedRequest(
        client=value("c-ip"),
        at_ms=at_ms,
        method=value("cs-method") or "GET",
        target=value("cs-uri-stem") + (f"?{query}" if query else ""),
        status=int(status[:3]),
        agent=unquote_plus(value(agent), errors="surrogateescape") if agent in fields else None,
    )


def _template_parser(template: str) -> Parse:
    names: list[str] = []
    pattern, at = "", 0
    for found in _VARIABLE.finditer(template):
        pattern += re.escape(template[at : found.start()])
        name, at = found[1] or found[2], found.end()
        until = template[at : at + 1]
        held = r"(?:[^\"\\]++|\\.)*+" if until == '"' else rf"[^{re.escape(until)}]*+" if until else ".*+"
        pattern += f"({held})"
        names.append(name)
    pattern += re.escape(template[at:])
    chosen = {what: name for what, kinds in _NEEDED.items() for name in reversed(kinds) if name in names}
    lacking = [f"a {what} (${' or $'.join(kinds)})" for what, kinds in _NEEDED.items() if what not in chosen]
    if lacking:
        raise ImportFileError(f"the format {template!r} lacks {', and '.join(lacking)}")
    return partial(_parse_template, re.compile(pattern, re.DOTALL), names, chosen)


def _parse_template(
    pattern: re.Pattern[str], names: list[str], chosen: Mapping[str, str], line: bytes
) -> LoggedRequest | None:
    found = pattern.match(line[:MAX_LINE_BYTES].decode("utf-8", "surrogateescape"))
    if found is None:
        return None
    values = dict(zip(names, found.groups(), strict=True))
    at_ms = _TIME_OF[chosen["time"]](values[chosen["time"]])
    status = values.get("status", "200")
    if at_ms is None or not status.isascii() or not status.isdigit():
        return None
    target = unescape(values[chosen["target"]])
    method = values.get("request_method", "GET")
    if chosen["target"] == "request":
        method, _, rest = target.partition(" ")
        target, _, protocol = rest.rpartition(" ")
        target = target if protocol.startswith("HTTP/") else rest
    elif chosen["target"] == "uri" and values.get("args", "-") not in {"", "-"}:
        target += "?" + values["args"]
    agent = values.get("http_user_agent")
    client = values[chosen["client"]].partition(",")[0].strip()
    return LoggedRequest(
        client, at_ms, method, target, int(status[:3]), "" if agent == "-" else agent and unescape(agent)
    )


def parse_iso(text: str) -> int | None:
    """Return the instant of an ISO 8601 time in ms since the epoch; None if it is none, or before 1970."""
    try:
        at = datetime.fromisoformat(text)
        at_ms = round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
    return at_ms if 0 <= at_ms < 253_370_000_000_000 else None  # noqa: PLR2004 - in the year 9998


def _parse_seconds(text: str) -> int | None:
    found = re.fullmatch(r"(\d{1,11})(?:\.(\d{3})\d*)?", text, re.ASCII)
    return int(found[1]) * 1000 + int(found[2] or 0) if found else None


_TIME_OF: Final[Mapping[str, Callable[[str], int | None]]] = {
    "time_local": parse_time,
    "time_iso8601": parse_iso,
    "msec": _parse_seconds,
}
