"""How the answers travel: caches, conditional requests, cross-origin pages."""

from tests.acceptance.conftest import Running


async def test_unchanged_numbers_answer_304(service: Running) -> None:
    """The ETag stays while the numbers do, whenever they are read; a hit changes it."""
    await service.hit()
    first = await service.get("/v1/sites/portal/widget")
    service.clock.now_ms += 1000
    again = await service.get("/v1/sites/portal/widget", If_None_Match=first.headers["ETag"])
    assert (again.status, await again.read()) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    await service.hit("/b")
    changed = await service.get("/v1/sites/portal/widget?metric=views", If_None_Match=first.headers["ETag"])
    assert changed.status == 200


async def test_numbers_may_be_cached_for_moments(service: Running) -> None:
    """Shared caches may keep the widget for two seconds and revalidate behind the visitor's back."""
    response = await service.get("/v1/sites/portal/widget")
    assert response.headers["Cache-Control"] == "public, max-age=2, stale-while-revalidate=30"
    assert (await service.hit()).headers["Cache-Control"] == "no-store"
    assert (await service.get("/v1/sites/nobody/widget")).headers["Cache-Control"] == "no-store"


async def test_any_page_may_read_the_numbers(service: Running) -> None:
    """CORS is open, without credentials, on numbers, hits and errors alike; no cookie is set anywhere."""
    for response in (
        await service.get("/v1/sites/portal/widget", Origin="https://portal.example"),
        await service.get("/v1/sites/portal/pages?path=/", Origin="https://portal.example"),
        await service.hit(Origin="https://portal.example"),
        await service.get("/v1/sites/nobody/widget", Origin="https://portal.example"),
        await service.get("/counter.js"),
    ):
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in response.headers
        assert "Set-Cookie" not in response.headers


async def test_head_and_options(service: Running) -> None:
    """HEAD answers like GET without a body, OPTIONS tells the methods."""
    head = await service.session.head(service.public + "/v1/sites/portal/widget")
    assert (head.status, await head.read()) == (200, b"")
    assert head.headers["ETag"]
    for address, methods in (
        ("/v1/sites/portal/widget", "GET, HEAD, OPTIONS"),
        ("/v1/sites/portal/pages", "GET, HEAD, POST, OPTIONS"),
        ("/v1/hits", "POST, OPTIONS"),
        ("/v1/heartbeats", "POST, OPTIONS"),
    ):
        response = await service.session.options(service.public + address)
        assert (response.status, response.headers["Access-Control-Allow-Methods"]) == (204, methods)


async def test_poisoned_headers_change_nothing(service: Running) -> None:
    """Headers that a cache does not look at have no effect on what it keeps."""
    await service.hit()
    plain = await (await service.get("/v1/sites/portal/widget")).read()
    poisoned = await service.get(
        "/v1/sites/portal/widget",
        X_Forwarded_Host="evil.example",
        X_Forwarded_Proto="gopher",
        Host="evil.example",
    )
    assert await poisoned.read() == plain


async def test_quiet_hit_answers_204(service: Running) -> None:
    """Who wants no numbers gets none, and the hit counts all the same."""
    response = await service.hit(query="?quiet=1")
    assert (response.status, await response.read()) == (204, b"")
    assert (await service.widget())["total"] == 1


async def test_script_and_demo_are_served(service: Running) -> None:
    """The script and the demo portal come with their types and policies."""
    script = await service.get("/counter.js")
    assert (script.status, script.content_type) == (200, "text/javascript")
    assert (await service.get("/counter.js", If_None_Match=script.headers["ETag"])).status == 304
    page = await service.get("/")
    assert (page.status, page.content_type) == (200, "text/html")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert 'data-site="demo"' in await page.text()
