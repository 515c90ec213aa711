"""The collector of cycles: what lives as long as the process is not looked at again and again."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

THRESHOLDS: Final = (20_000, 50, 100)
"""A request leaves few cycles behind, so they may gather: some MB at most."""


@contextmanager
def settled() -> Iterator[None]:
    """Take all that is there now for lasting, while the block runs."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
