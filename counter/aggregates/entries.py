"""What is entered into the ledger. Pure."""

from datetime import date
from typing import Final, NamedTuple

MAX_AMOUNT: Final = 10**17
"""So that no sum leaves what a bigint holds."""


class Entry(NamedTuple):
    """What is to be added.

    Attributes:
        metric: visits, views or visitors; of a page always views.
        amount: negative takes away.
        day: to which it belongs; None for an opening balance, which is in the total alone.
        page: whose views it adjusts; the totals of the site do not have it.
    """

    metric: str
    amount: int
    day: date | None = None
    page: str | None = None
