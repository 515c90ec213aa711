"""The files that are served as they are: the script, its types, the contract, the demo portal."""

import gzip
from collections.abc import Mapping
from functools import cache
from hashlib import blake2b
from http import HTTPStatus
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final, NamedTuple

import msgspec
from aiohttp import web

from counter.http import ANY_ORIGIN, SAFE, Handler
from counter.widget.names import DEFAULT_PATH, Pinned, address_of_build, addresses_of, integrity_of

TYPES: Final[Mapping[str, str]] = {
    "css": "text/css",
    "html": "text/html",
    "ico": "image/x-icon",
    "js": "text/javascript",
    "json": "application/json",
    "png": "image/png",
    "svg": "image/svg+xml",
    "ts": "text/plain",
    "webp": "image/webp",
}
COMPRESSED: Final = frozenset({"css", "html", "js", "json", "svg", "ts"})
SCRIPT_CACHE: Final = "public, max-age=3600, stale-while-revalidate=86400"
FOREVER: Final = "public, max-age=31536000, immutable"
DEMO_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class _File(NamedTuple):
    body: bytes
    packed: bytes | None
    content_type: str
    etag: str


def file_routes(script_path: str = DEFAULT_PATH) -> list[web.RouteDef]:
    """Return the addresses of the script, of its types, and of the contract of the whole interface.

    The script and the file that it loads are there under their plain names, and for ever under the name of
    each build that was released. They are also beside `script_path`, which is named as the operator likes.
    """
    latest = {"Cache-Control": SCRIPT_CACHE}
    routes = [
        web.get(f"/{name}", _serving(_read(_static() / name), latest))
        for name in ("counter.d.ts", "openapi.json")
    ]
    for part, name in _current().items():
        for address in sorted({addresses_of(path)[part] for path in (DEFAULT_PATH, script_path)}):
            stem = address.removesuffix(".js")
            routes.append(web.get(address, _serving(_read(_built() / name), latest)))
            routes.append(web.get(f"{stem}-{{build:[0-9a-f]+}}.js", _serving_builds(part)))
    return routes


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


def pinned(script_path: str) -> dict[str, Pinned]:
    """Return the addresses of the latest build that never change, for `counter` and `more`."""
    return {
        part: Pinned(address_of_build(script_path, name), integrity_of((_built() / name).read_bytes()))
        for part, name in _current().items()
    }


def script_text(part: str) -> str:
    """Return the latest build of the script, or of the file that it loads."""
    return (_built() / _current()[part]).read_text(encoding="utf-8")


def _serving_builds(part: str) -> Handler:
    """Return the handler that serves a build of the script, or of the file that it loads, by its hash."""
    forever = {"Cache-Control": FOREVER}
    builds = {
        file.name: _serving(_read(file), forever)
        for file in _built().iterdir()
        if file.name.startswith(f"{part}-")
    }

    async def serve(request: web.Request) -> web.StreamResponse:
        found = builds.get(f"{part}-{request.match_info['build']}.js")
        if found is None:
            raise web.HTTPNotFound
        return await found(request)

    return serve


@cache
def _current() -> dict[str, str]:
    return msgspec.json.decode((_built() / "current.json").read_bytes(), type=dict[str, str])


def _built() -> Traversable:
    return _static() / "script"


def _static() -> Traversable:
    return files("counter.widget") / "static"


def _read(file: Traversable) -> _File:
    body = file.read_bytes()
    suffix = file.name.rpartition(".")[2]
    packed = gzip.compress(body, 9, mtime=0) if suffix in COMPRESSED else None
    return _File(body, packed, TYPES[suffix], blake2b(body, digest_size=9).hexdigest())


def _serving(file: _File, headers: Mapping[str, str]) -> Handler:
    sent = {**ANY_ORIGIN, **SAFE, **headers}
    if file.packed is not None:
        sent["Vary"] = "Accept-Encoding"

    async def serve(request: web.Request) -> web.Response:
        packed = file.packed if "gzip" in request.headers.get("Accept-Encoding", "") else None
        tag = {"ETag": f'"{file.etag}"' if packed is None else f'"{file.etag}-gzip"'}
        if file.etag in request.headers.get("If-None-Match", ""):
            return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=sent | tag)
        encoding = {} if packed is None else {"Content-Encoding": "gzip"}
        return web.Response(
            body=file.body if packed is None else packed,
            content_type=file.content_type,
            charset="utf-8",
            headers=sent | tag | encoding,
        )

    return serve
