r"""Lines of an access log, in the common and the combined format of Apache and nginx. Pure.

A line is `CLIENT IDENT USER [TIME] "REQUEST" STATUS BYTES`, then `"REFERER" "AGENT"` in the combined format,
then anything. A line that was cut within its last quotes is taken as far as it goes.
"""

import re
from datetime import date
from functools import lru_cache
from typing import Final, NamedTuple, Self

MAX_LINE_BYTES: Final = 65_536
"""Longer lines are cut."""

_EPOCH: Final = date(1970, 1, 1).toordinal()
_LAST_YEAR: Final = 9998
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

# Every repetition is possessive, so a hostile line costs no more than a long one.
_TEXT: Final = r'((?:[^"\\]++|\\.|\\\Z)*+)'
_LINE: Final = re.compile(
    rf'(\S++) [^\[]*+\[([^\]]{{26}})\] "{_TEXT}" (\d{{3}}|-) \S++(?: "{_TEXT}(?:"(?: "{_TEXT})?)?)?',
    re.ASCII | re.DOTALL,
)
_TIME: Final = re.compile(
    rf"(\d\d)/({'|'.join(_MONTHS)})/(\d{{4}})"
    r":([01]\d|2[0-3]):([0-5]\d):([0-5]\d|60) ([+-])([01]\d|2[0-3])([0-5]\d)",
    re.ASCII,
)
_ESCAPE: Final = re.compile(rb'\\(?:x([0-9A-Fa-f]{2})|(["\\]))')


class LoggedRequest(NamedTuple):
    """One request that a web server answered.

    Attributes:
        client: address or host name, as logged.
        at_ms: since the epoch.
        target: empty if the request had none.
        status: 0 if there was none.
        agent: the User-Agent, empty if the client sent none; None if the log does not tell.
    """

    client: str
    at_ms: int
    method: str
    target: str
    status: int
    agent: str | None

    @classmethod
    def of(cls, client: str, at_ms: int, request: str, status: str, agent: str | None) -> Self:
        """Read the request line of a client, without escapes."""
        method, _, rest = request.partition(" ")
        target, _, protocol = rest.rpartition(" ")
        return cls(
            client=client,
            at_ms=at_ms,
            method=method,
            target=target if protocol.startswith("HTTP/") else rest,
            status=0 if status == "-" else int(status),
            agent=agent,
        )


def parse_line(line: bytes) -> LoggedRequest | None:
    """Read one line without its end; None if it is malformed. Bytes that are no UTF-8 become surrogates."""
    found = _LINE.match(line[:MAX_LINE_BYTES].decode("utf-8", "surrogateescape"))
    if found is None:
        return None
    client, time, request, status, _referer, agent = found.groups()
    at_ms = parse_time(time)
    if at_ms is None:
        return None
    agent = "" if agent == "-" else agent and unescape(agent)
    return LoggedRequest.of(client, at_ms, unescape(request), status, agent)


@lru_cache(maxsize=1024)
def parse_time(text: str) -> int | None:
    """Return the instant of `17/May/2015:10:05:03 +0000` in ms since the epoch; None if it is none.

    A leap second belongs to the second after it; times before 1970 are none.
    """
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    day, month, year, hour, minute, second, sign, offset_hours, offset_minutes = found.groups()
    if int(year) > _LAST_YEAR:
        return None
    try:
        days = date(int(year), _MONTHS.index(month) + 1, int(day)).toordinal() - _EPOCH
    except ValueError:
        return None
    offset = (int(offset_hours) * 60 + int(offset_minutes)) * (-1 if sign == "-" else 1)
    at = ((days * 24 + int(hour)) * 60 + int(minute) - offset) * 60 + int(second)
    return at * 1000 if at >= 0 else None


def unescape(text: str) -> str:
    r"""Turn `\"`, `\\` and the bytes `\xHH` back into what they stand for."""
    if "\\" not in text:
        return text
    raw = text.encode("utf-8", "surrogateescape")
    return _ESCAPE.sub(_spell, raw).decode("utf-8", "surrogateescape")


def _spell(escape: re.Match[bytes]) -> bytes:
    return bytes.fromhex(escape[1].decode()) if escape[1] else escape[2]
