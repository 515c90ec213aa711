"""The references: aiohttp on uvloop with handlers that do nothing.

POST /hits     204, after reading the body
GET  /bytes    what the file named by the second argument holds
GET  /nothing  204
"""

import sys
from pathlib import Path

import uvloop
from aiohttp import web


async def read_and_forget(request: web.Request) -> web.Response:
    """Answer a hit."""
    await request.read()
    return web.Response(status=204)


async def nothing(_request: web.Request) -> web.Response:
    """Answer as to a client that has everything."""
    return web.Response(status=204)


def application(body: bytes) -> web.Application:
    """Build the reference."""

    async def same_bytes(_request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    app = web.Application()
    app.add_routes(
        [web.post("/hits", read_and_forget), web.get("/bytes", same_bytes), web.get("/nothing", nothing)]
    )
    return app


if __name__ == "__main__":
    web.run_app(
        application(Path(sys.argv[2]).read_bytes()),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        access_log=None,
        print=lambda _line: None,
        loop=uvloop.new_event_loop(),
    )
