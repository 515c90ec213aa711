"""Many things, some at a time, so that hits have their turn in between."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from itertools import islice
from typing import Final, TypeVar

from counter.buckets.calls import bucket_names
from counter.buckets.keys import BucketName

NAMES: Final = 1000
"""How many names are looked at before hits have their turn."""

T = TypeVar("T")

Rest = Callable[[int], Awaitable[None]]
"""Is told how many buckets a step of a rollup was about; returns when the next may begin."""


async def no_rest(_buckets: int) -> None:
    """Let the next step begin at once."""


async def parsed(names: Iterable[bytes], at_once: int = NAMES) -> AsyncGenerator[list[BucketName]]:
    """Yield the names of many buckets in their order, some at a time, and let others work in between."""
    for chunk in chunks(names, at_once):
        yield bucket_names(chunk)
        await asyncio.sleep(0)


def chunks(items: Iterable[T], at_once: int) -> Iterator[list[T]]:
    """Yield many things, some at a time."""
    iterator = iter(items)
    while chunk := list(islice(iterator, at_once)):
        yield chunk
