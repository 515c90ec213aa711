"""Background tasks: how one is ended."""

import asyncio
from typing import Any, Final

AGAIN_SECONDS: Final = 0.1


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel a task until it has ended: a driver that is about to time out may swallow the first cancel."""
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=AGAIN_SECONDS)
