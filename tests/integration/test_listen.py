"""How a listener stops: what hangs does not hold it for ever."""

import asyncio

import pytest
from aiohttp import ClientError, ClientSession, web

from counter import drain as drain_module
from counter import listen as listen_module
from counter.drain import Drain
from counter.listen import listening


async def test_request_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that does not end is cancelled in the end, its client sees it, and the listener is gone."""
    monkeypatch.setattr(drain_module, "FINISH_SECONDS", 0.05)
    monkeypatch.setattr(listen_module, "CLOSE_SECONDS", 0.05)
    begun, hurry = asyncio.Event(), asyncio.Event()
    ends: list[str] = []

    async def hang(_request: web.Request) -> web.Response:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise
        return web.Response()

    app = web.Application()
    app.add_routes([web.get("/", hang)])
    async with ClientSession() as session, asyncio.timeout(30):
        async with listening(app, "127.0.0.1", 0, drain=Drain(3600, hurry)) as url:
            asked = asyncio.create_task(session.get(url))
            await begun.wait()
            hurry.set()
        with pytest.raises(ClientError):
            await asked
    assert ends == ["cancelled"]
