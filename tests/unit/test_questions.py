"""What the parent asks its workers, while they come and go."""

from types import SimpleNamespace
from typing import Any, cast

from aiohttp import ClientSession

from counter.workers.questions import ask


async def test_worker_that_has_just_ended_is_silent():
    """Between being chosen and being asked a worker may end; a scrape goes on with the others."""
    session = ClientSession()
    await session.close()
    gone = SimpleNamespace(admin=session, number=1)
    assert await ask(cast("Any", gone), "/metrics") == (503, b"")
