"""A service that keeps the contract of the counter while it records every request that reaches it."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import web

STATIC = Path(__file__).parents[2] / "counter" / "widget" / "static"
BUILT = STATIC / "script"
CURRENT = json.loads((BUILT / "current.json").read_text(encoding="utf-8"))
PATIENCE_SECONDS = 15
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Request(NamedTuple):
    """What reached the service."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: Any
    body: str

    @property
    def hit(self) -> Any:
        """The body of a beacon."""
        return json.loads(self.body)


class Recorder:
    """Serves pages and the script, answers as the contract says, and remembers what it was asked.

    `url` is where the pages are, `api` the same service under another host name: another origin and site.
    """

    def __init__(self) -> None:
        self.pages: dict[str, str] = {}
        self.scripts = {name: (BUILT / file).read_text(encoding="utf-8") for name, file in CURRENT.items()}
        self.rest: asyncio.Queue[str] = asyncio.Queue()
        self.page_headers: dict[str, str] = {}
        self.charset = "utf-8"
        self.requests: list[Request] = []
        self.numbers: dict[str, Any] = {
            "online": 5,
            "today": 153,
            "yesterday": 140,
            "week": 5095,
            "month": 15098,
            "total": 412135,
        }
        self.cache_control = "public, max-age=2, stale-while-revalidate=30"
        self.metric = "visits"
        self.as_of = "2026-11-24T03:20:00.123+07:00"
        self.views: dict[str, int | None] = {}
        self.faults: list[int] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.orders: dict[str, asyncio.Queue[str]] = defaultdict(asyncio.Queue)
        self.url = self.api = ""
        self._arrived = asyncio.Condition()

    def app(self) -> web.Application:
        """Build the service."""
        app = web.Application(middlewares=[self._record])
        app.on_response_prepare.append(self._allow_all_origins)
        app.router.add_post("/v1/hits", self._hit)
        app.router.add_get("/v1/hits.gif", self._nothing)
        app.router.add_post("/v1/heartbeats", self._nothing)
        app.router.add_get("/v1/sites/{site}/widget", self._widget)
        app.router.add_get("/v1/sites/{site}/pages", self._pages)
        app.router.add_post("/v1/sites/{site}/pages", self._pages)
        app.router.add_static("/demo", STATIC / "demo")
        app.router.add_get("/{name:counter|more|jquery}.js", self._script)
        app.router.add_get("/orders{page:/.*}", self._order)
        app.router.add_get("/{path:.*}", self._page)
        return app

    def embed(
        self, body: str = "", *, lang: str = "vi", head: str = "", options: str = "data-automated"
    ) -> str:
        """Return a page that embeds the script as a portal would, from the other origin."""
        script = f'<script async src="{self.api}/counter.js" data-site="demo" {options}></script>'
        start = f'<!doctype html><html lang="{lang}"><head><title>Trang</title>'
        return f"{start}{head}{script}</head><body>{body}</body></html>"

    def sent(self, path: str = "/v1/") -> list[Request]:
        """Return the requests to the API, or to one of its paths."""
        return [request for request in self.requests if request.path.startswith(path)]

    @property
    def hits(self) -> list[str]:
        """The paths that were counted, in order."""
        return [request.hit["path"] for request in self.sent("/v1/hits")]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until what arrived satisfies the condition."""
        async with asyncio.timeout(PATIENCE_SECONDS), self._arrived:
            await self._arrived.wait_for(condition)

    async def until_sent(self, count: int, path: str = "/v1/hits") -> list[Request]:
        """Wait for so many requests to a path."""
        await self.until(lambda: len(self.sent(path)) >= count)
        return self.sent(path)

    @web.middleware
    async def _record(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        body = await request.text()
        query = list(request.query.items())
        async with self._arrived:
            self.requests.append(Request(request.method, request.path, query, request.headers, body))
            self._arrived.notify_all()
        if not request.path.startswith("/v1/"):
            return await handler(request)
        await self.gate.wait()
        return self._fault(request) or await handler(request)

    def _fault(self, request: web.Request) -> web.Response | None:
        status = self.faults.pop(0) if self.faults else 0
        if status == -1 and request.transport:
            request.transport.abort()
        return web.Response(status=503 if status == -1 else status) if status else None

    def _answer(self, **more: Any) -> web.Response:
        meta = {"metric": self.metric, "unit": "lượt truy cập", "as_of": self.as_of, "stale": False}
        return self._json({**self.numbers, **more, "meta": meta})

    def _json(self, content: Any) -> web.Response:
        return web.json_response(content, headers={"Cache-Control": self.cache_control})

    async def _allow_all_origins(self, _: web.Request, response: web.StreamResponse) -> None:
        response.headers["Access-Control-Allow-Origin"] = "*"

    async def _hit(self, request: web.Request) -> web.Response:
        path = json.loads(await request.text())["path"].partition("?")[0]
        return self._answer(page={"path": path, "views": self.views.get(path)})

    async def _widget(self, _: web.Request) -> web.Response:
        return self._answer()

    async def _pages(self, request: web.Request) -> web.Response:
        paths = request.query.getall("path", None) or json.loads(await request.text())["paths"]
        return self._json({"pages": [{"path": path, "views": self.views.get(path)} for path in paths]})

    async def _nothing(self, _: web.Request) -> web.Response:
        return web.Response(status=204)

    async def _script(self, request: web.Request) -> web.Response:
        return web.Response(text=self.scripts[request.match_info["name"]], content_type="text/javascript")

    async def _order(self, request: web.Request) -> web.Response:
        return web.Response(text=await self.orders[request.match_info["page"]].get())

    async def _page(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/slow":
            return await self._slow_page(request)
        html = self.pages.get(request.path)
        if html is None:
            return web.Response(status=204 if request.path == "/favicon.ico" else 404)
        return web.Response(
            body=html.encode(self.charset, "xmlcharrefreplace"),
            content_type="text/html",
            charset=self.charset,
            headers=self.page_headers,
        )

    async def _slow_page(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/html"})
        await response.prepare(request)
        await response.write(self.embed().removesuffix("</body></html>").encode())
        await response.write((await self.rest.get()).encode())
        return response
