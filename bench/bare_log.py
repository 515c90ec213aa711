"""The reference of an import: one expression and one instant for each line, in one process, and nothing kept.

It reads the combined format alone, no escapes, and judges nothing: no bots, no pages, no visitors.
"""

import re
import sys
from calendar import timegm
from pathlib import Path

LINE = re.compile(r'(\S+) \S+ \S+ \[([^\]]+)\] "(\S+) (\S+) [^"]*" (\d{3}) \S+ "[^"]*" "([^"]*)"')
NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
MONTHS = {name: number for number, name in enumerate(NAMES, start=1)}


def instant(time: str) -> int:
    """Return the seconds since the epoch of `17/May/2015:10:05:03 +0000`."""
    offset = (int(time[22:24]) * 60 + int(time[24:26])) * (-60 if time[21] == "-" else 60)
    day = (int(time[7:11]), MONTHS[time[3:6]], int(time[:2]))
    return timegm((*day, int(time[12:14]), int(time[15:17]), int(time[18:20]))) - offset


def parse(path: Path) -> int:
    """Return how many lines of a log are well-formed."""
    parsed = 0
    with path.open(encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            found = LINE.match(line)
            if found:
                _client, time, _method, _target, _status, _agent = found.groups()
                instant(time)
                parsed += 1
    return parsed


if __name__ == "__main__":
    print(parse(Path(sys.argv[1])))
