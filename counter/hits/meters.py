"""How often something may happen: rates with bursts, in bounded memory. Pure."""

from collections.abc import Hashable
from typing import Protocol


class Times(Protocol):
    """Remembers a time for each key, of as many as it can."""

    times: "memoryview[float]"
    """Seconds, some of them of keys."""

    def __len__(self) -> int: ...

    def seek(self, key: Hashable) -> int:
        """Return where in `times` the time of a key is; that time is 0 if nothing is known of it."""


class Meter:
    """Lets each key pass at a rate, after a burst (the generic cell rate algorithm, ITU-T I.371).

    Args:
        per_second: how often a key may pass in the long run; 0 lets everything pass.
        burst: how often it may pass at once.
        due: when each key is due; one that is forgotten starts anew.
        debt_seconds: how long a key that was too fast has to slow down at most before it passes again, as
            what is refused counts against it too; 0 lets it pass at the rate meanwhile.
    """

    def __init__(self, per_second: float, burst: int, due: Times, debt_seconds: float = 0.0) -> None:
        self._pause = 1 / per_second if per_second else 0.0
        self._slack = self._pause * (burst - 1)
        self._debt_seconds = debt_seconds
        self._due = due
        self._times = due.times

    def __len__(self) -> int:
        return len(self._due)

    def passes(self, key: Hashable, now: float) -> bool:
        """Tell whether a key may pass, and note that it did, or that it tried.

        Args:
            key: whatever is to be limited.
            now: seconds of a clock that never goes back.
        """
        return not self._pause or self.passes_at(self._due.seek(key), now)

    def passes_at(self, at: int, now: float) -> bool:
        """Tell the same of a key whose time is known to be at some place."""
        times, pause = self._times, self._pause
        due = times[at]
        if due < now:
            due = now
        elif due - now > self._slack:
            if self._debt_seconds:
                times[at] = min(due + pause, now + self._slack + self._debt_seconds)
            return False
        times[at] = due + pause
        return True
