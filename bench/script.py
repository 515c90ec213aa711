"""What the script weighs on its way to a page: the bytes that the service sends, packed as browsers ask for them."""

from aiohttp import ClientSession

from bench.figures import Figure, Rounds
from bench.load import LoadError
from bench.place import Place

SCRIPT = "/counter.js"
MOST_KB = 1.6
KB = 1024
"""As the tests of the script reckon, whose budget is 1,638 bytes."""


async def script(place: Place, _rounds: Rounds) -> list[Figure]:
    """The core of the script; in `raw` its bytes packed by gzip, by brotli if that is served, and as they are."""
    async with place.serving() as service:
        sizes = {coding: await _size(service.public, coding) for coding in ("gzip", "br", "identity")}
    packed = sizes["gzip"]
    if packed is None:
        raise LoadError("the script is not packed by gzip")
    raw = [f"{size} B {coding}" for coding, size in sizes.items() if size is not None]
    return [Figure("KB of the script's core, gzip", packed / KB, MOST_KB, at_most=True, raw=raw)]


async def _size(public: str, coding: str) -> int | None:
    """Return the bytes of the body in one coding; None if the service answers in another."""
    async with (
        ClientSession(auto_decompress=False, raise_for_status=True) as session,
        session.get(public + SCRIPT, headers={"Accept-Encoding": coding}) as answer,
    ):
        body = await answer.read()
        return len(body) if answer.headers.get("Content-Encoding", "identity") == coding else None
