"""Background tasks: who keeps them, and how one is ended."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

AGAIN_SECONDS: Final = 0.1

Result = TypeVar("Result")


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel a task until it has ended: a driver that is about to time out may swallow the first cancel."""
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=AGAIN_SECONDS)


def settle(future: asyncio.Future[Result], result: Result) -> None:
    """Give a future its result, unless nobody waits for it any more."""
    if not future.done():
        future.set_result(result)


class Tasks:
    """Keeps tasks that nobody waits for until they have ended, as the loop itself does not."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin a piece of work, which looks after its errors itself."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
