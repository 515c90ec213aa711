"""The files that are served as they are: the script, the contract, the demo portal."""

from collections.abc import Mapping
from hashlib import blake2b
from http import HTTPStatus
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final, NamedTuple

from aiohttp import web

from counter.http import ANY_ORIGIN, SAFE, Handler

TYPES: Final[Mapping[str, str]] = {
    "css": "text/css",
    "html": "text/html",
    "ico": "image/x-icon",
    "js": "text/javascript",
    "json": "application/json",
    "png": "image/png",
    "svg": "image/svg+xml",
    "webp": "image/webp",
}
SCRIPT_CACHE: Final = "public, max-age=3600, stale-while-revalidate=86400"
DEMO_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class _File(NamedTuple):
    body: bytes
    content_type: str
    etag: str


def file_routes() -> list[web.RouteDef]:
    """Return the addresses of the script and of the contract of the whole interface."""
    headers = {"Cache-Control": SCRIPT_CACHE}
    names = ("counter.js", "openapi.json")
    return [web.get(f"/{name}", _serving(_read(_static() / name), headers)) for name in names]


def demo_routes() -> list[web.RouteDef]:
    """Return the addresses of the demo portal, which embeds the script as any portal would."""
    headers = {
        "Cache-Control": "no-cache",
        "Content-Security-Policy": DEMO_POLICY,
        "Referrer-Policy": "strict-origin-when-cross-origin",
    }
    demo = _static() / "demo"
    routes = [web.get("/", _serving(_read(demo / "index.html"), headers))]
    routes += [
        web.get(f"/demo/{file.name}", _serving(_read(file), headers))
        for file in demo.iterdir()
        if file.is_file()
    ]
    return routes


def _static() -> Traversable:
    return files("counter.widget") / "static"


def _read(file: Traversable) -> _File:
    body = file.read_bytes()
    suffix = file.name.rpartition(".")[2]
    return _File(body, TYPES[suffix], f'"{blake2b(body, digest_size=9).hexdigest()}"')


def _serving(file: _File, headers: Mapping[str, str]) -> Handler:
    sent = {**ANY_ORIGIN, **SAFE, **headers, "ETag": file.etag}

    async def serve(request: web.Request) -> web.Response:
        if file.etag in request.headers.get("If-None-Match", ""):
            return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=sent)
        return web.Response(body=file.body, content_type=file.content_type, charset="utf-8", headers=sent)

    return serve
