"""How often something may happen: rates with bursts, in bounded memory. Pure."""

from collections.abc import Hashable
from typing import Protocol


class Times(Protocol):
    """Remembers a time for each key, of as many as it can."""

    def __len__(self) -> int: ...

    def get(self, key: Hashable) -> float | None:
        """Return the time that was kept under a key, None if nothing is known of it."""

    def put(self, key: Hashable, value: float) -> None:
        """Keep a time."""


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

    def __len__(self) -> int:
        return len(self._due)

    def passes(self, key: Hashable, now: float) -> bool:
        """Tell whether a key may pass, and if so, note that it did.

        Args:
            key: whatever is to be limited.
            now: seconds of a clock that never goes back.
        """
        pause = self._pause
        if not pause:
            return True
        due = self._due.get(key)
        if due is None or due < now:
            due = now
        elif due - now > self._slack:
            return not self.refuses(key, now)
        self._due.put(key, due + pause)
        return True

    def refuses(self, key: Hashable, now: float) -> bool:
        """Tell whether a key may not pass, and if so, note that it tried.

        Args:
            key: whatever is to be limited.
            now: seconds of a clock that never goes back.
        """
        due = self._due.get(key)
        if due is None or due - now <= self._slack:
            return False
        if self._debt_seconds:
            self._due.put(key, min(due + self._pause, now + self._slack + self._debt_seconds))
        return True
