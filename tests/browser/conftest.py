"""A real Chromium, and the service that records what it sends."""

import asyncio
import os
import shutil
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from aiohttp import web
from playwright.async_api import Browser, Page, Playwright, async_playwright

from tests.browser.recorder import PATIENCE_SECONDS, Recorder

ARGUMENTS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture
async def recorder() -> AsyncIterator[Recorder]:
    """The recording service, on a free port."""
    recorder = Recorder()
    runner = web.AppRunner(recorder.app(), shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    recorder.url, recorder.api = f"http://127.0.0.1:{port}", f"http://localhost:{port}"
    yield recorder
    recorder.gate.set()
    await runner.cleanup()


@pytest.fixture(scope="session")
async def playwright() -> AsyncIterator[Playwright]:
    """What steers browsers."""
    async with async_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def chromium_path(playwright: Playwright) -> str:
    """The system's Chromium, otherwise Playwright's own."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next(filter(None, map(shutil.which, names)), playwright.chromium.executable_path)


@pytest.fixture(scope="session")
async def browser(playwright: Playwright, chromium_path: str) -> AsyncIterator[Browser]:
    """A running Chromium that keeps its back/forward cache, which Playwright would switch off."""
    browser = await playwright.chromium.launch(
        executable_path=chromium_path,
        args=ARGUMENTS,
        ignore_default_args=["--disable-back-forward-cache"],
    )
    yield browser
    await browser.close()


@pytest.fixture
async def bare_chromium(chromium_path: str) -> AsyncIterator[Any]:
    """Start a Chromium that no tool holds, at an address."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(ignore_cleanup_errors=True))

        async def start(url: str) -> None:
            options = ["--headless=new", "--disable-popup-blocking", f"--user-data-dir={folder}"]
            process = await asyncio.create_subprocess_exec(
                chromium_path,
                *ARGUMENTS,
                *options,
                url,
                env=os.environ | {"TMPDIR": folder},
                stdout=DEVNULL,
                stderr=DEVNULL,
            )
            stack.push_async_callback(process.wait)
            stack.callback(process.terminate)

        yield start


FIREFOX = next((name for name in ("firefox", "firefox-esr") if shutil.which(name)), None)
BARE_BROWSERS = ["chromium", *([FIREFOX] if FIREFOX else [])]
"""What is there to be started without a tool that holds it; Firefox where it is installed."""


@pytest.fixture(params=BARE_BROWSERS)
async def bare_browser(request: pytest.FixtureRequest, chromium_path: str) -> AsyncIterator[Any]:
    """Start a browser that no tool holds, at an address; what it is not told it does not do."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(ignore_cleanup_errors=True))
        command = (
            [chromium_path, *ARGUMENTS, "--headless=new", f"--user-data-dir={folder}"]
            if request.param == "chromium"
            else [request.param, "--headless", "--no-remote", "--profile", folder]
        )

        async def start(url: str) -> None:
            process = await asyncio.create_subprocess_exec(
                *command,
                url,
                env=os.environ | {"HOME": folder, "TMPDIR": folder},
                stdout=DEVNULL,
                stderr=DEVNULL,
            )
            stack.push_async_callback(process.wait)
            stack.callback(process.terminate)

        yield start


@pytest.fixture
async def open_page(browser: Browser) -> AsyncIterator[Any]:
    """Open pages, each in a context of its own; at the end their consoles must be clean.

    What the browser itself says of a failed request is no word of ours.
    """
    said: list[str] = []

    async def open_page(**options: Any) -> Page:
        context = await stack.enter_async_context(await browser.new_context(**options))
        page = await context.new_page()
        page.set_default_timeout(PATIENCE_SECONDS * 1000)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        return page

    async with AsyncExitStack() as stack:
        yield open_page
    assert [line for line in said if not line.startswith("Failed to load resource")] == []


@pytest.fixture
async def page(open_page: Any) -> Page:
    """An empty page."""
    page: Page = await open_page()
    return page


@pytest.fixture
def read() -> Any:
    """Read the text of all elements that match, at once."""

    async def read(page: Page, selector: str) -> list[str]:
        return await page.locator(selector).all_text_contents()

    return read
