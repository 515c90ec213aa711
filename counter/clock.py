"""The clock that is passed in wherever time matters, so that tests can set it."""

import time
from collections.abc import Callable

Clock = Callable[[], int]
"""Returns the time in milliseconds since 1970-01-01T00:00:00Z."""


def system_clock() -> int:
    """Return the machine's time in milliseconds since the epoch."""
    return time.time_ns() // 1_000_000
