"""The files of our own pages: styles, a small script, an icon; each under a name that changes with it."""

from hashlib import blake2b
from importlib.resources import files
from typing import Final, NamedTuple

from aiohttp import web

from counter.http import ANY_ORIGIN, SAFE

FOREVER: Final = "public, max-age=31536000, immutable"
TYPES: Final = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


class _Asset(NamedTuple):
    body: bytes
    content_type: str


class Assets:
    """Reads `static/pages/` once."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._assets: dict[str, _Asset] = {}
        for file in (files("counter.widget") / "static" / "pages").iterdir():
            stem, _, suffix = file.name.rpartition(".")
            body = file.read_bytes()
            name = f"{stem}.{blake2b(body, digest_size=6).hexdigest()}.{suffix}"
            self._names[file.name] = name
            self._assets[name] = _Asset(body, TYPES[suffix])

    def from_page(self, name: str) -> str:
        """Return the address of a file, seen from a page such as `/sites/KEY`."""
        return f"../assets/{self._names[name]}"

    def routes(self) -> list[web.RouteDef]:
        """Return the address of the files."""
        return [web.get("/assets/{name}", self.get_asset)]

    async def get_asset(self, request: web.Request) -> web.Response:
        """Answer with a file, which never changes under its name."""
        asset = self._assets.get(request.match_info["name"])
        if asset is None:
            raise web.HTTPNotFound
        headers = ANY_ORIGIN | SAFE | {"Cache-Control": FOREVER}
        return web.Response(
            body=asset.body, content_type=asset.content_type, charset="utf-8", headers=headers
        )
