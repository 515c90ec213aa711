"""Ending a background task, whatever its driver does with a cancel."""

import asyncio

from counter.background import end


async def test_task_that_swallows_a_cancel_is_ended() -> None:
    """A driver that turns the first cancel into a time-out, and goes on, is ended by the next one."""
    swallowed = 0

    async def stubborn() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                swallowed += 1
                if swallowed > 1:
                    raise

    task = asyncio.create_task(stubborn())
    await asyncio.wait([task], timeout=0)
    await end(task)
    assert (task.cancelled(), swallowed) == (True, 2)
