"""The files of the script as they are served: plain names for most, names for ever for who pins them."""

import pytest
from aiohttp import ClientSession

from counter.widget.files import SCRIPT_CACHE, pinned
from counter.widget.names import addresses_of, integrity_of
from tests.acceptance.conftest import Running


@pytest.mark.parametrize("part", ["counter", "more"])
async def test_a_pinned_file_is_what_its_hash_says_for_ever(service: Running, part: str) -> None:
    """The pinned address serves the very bytes that `integrity` names, to any origin, and never changes."""
    address, integrity = pinned("/counter.js")[part]
    response = await service.get(address)
    body = await response.read()
    assert integrity_of(body) == integrity
    assert integrity.startswith("sha384-")
    assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert response.headers["Access-Control-Allow-Origin"] == "*", "a tag with integrity needs it"
    assert response.content_type == "text/javascript"
    plain = await service.get(addresses_of("/counter.js")[part])
    assert await plain.read() == body
    assert plain.headers["Cache-Control"] == SCRIPT_CACHE


async def test_a_build_that_never_was_is_not_found(service: Running) -> None:
    """An unknown hash answers 404, not some other build."""
    for address in ("/counter-0123456789.js", "/more-0.js"):
        assert (await service.get(address)).status == 404


async def test_a_file_travels_packed_to_who_can_unpack(service: Running) -> None:
    """The script is sent gzipped, under a tag of its own; who knows it already gets no body."""
    async with ClientSession(auto_decompress=False) as session:
        async with session.get(service.public + "/counter.js", headers={"Accept-Encoding": "gzip"}) as packed:
            assert packed.headers["Content-Encoding"] == "gzip"
            assert packed.headers["Vary"] == "Accept-Encoding"
            size = len(await packed.read())
        async with session.get(
            service.public + "/counter.js", headers={"Accept-Encoding": "identity"}
        ) as plain:
            assert "Content-Encoding" not in plain.headers
            assert plain.headers["ETag"] != packed.headers["ETag"]
            assert len(await plain.read()) > size
        known = {"If-None-Match": packed.headers["ETag"], "Accept-Encoding": "gzip"}
        async with session.get(service.public + "/counter.js", headers=known) as again:
            assert (again.status, await again.read()) == (304, b"")


async def test_the_types_are_served(service: Running) -> None:
    """Who writes TypeScript gets the types from the service that they belong to."""
    response = await service.get("/counter.d.ts")
    assert response.content_type == "text/plain"
    assert "interface Counter " in await response.text()
