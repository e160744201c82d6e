"""Owns the browser of the tests and the pages opened in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from .client_page import ClientPage
from .sounds import write_microphone_file
from .stub_server import StubServer, running

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET_FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def browser_path() -> str:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no Chromium on this machine, and under CI=true nothing may be skipped")
        pytest.skip("no Chromium on this machine: install Debian's package 'chromium'")
    return found


# Not for the whole session: Playwright keeps an event loop running in the test's thread as long as it lives,
# and other folders' asynchronous tests could not start theirs.
@pytest.fixture(scope="package")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    sound = write_microphone_file(tmp_path_factory.mktemp("sounds") / "microphone.wav")
    flags = [
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={sound}%noloop",
        *QUIET_FLAGS,
        *(["--no-sandbox"] if os.geteuid() == 0 else []),
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path(), args=flags)
        yield browser
        browser.close()


@pytest.fixture
def stub() -> Iterator[StubServer]:
    with running() as server:
        yield server


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(locale="en-US", viewport={"width": 1280, "height": 800})
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, stub: StubServer) -> Iterator[Page]:
    """Closed before the stub, which would wait for its sockets.

    Fails the test for whatever the browser reports as an error: a refused script, an uncaught exception.
    """
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: _note(message, faults))
    yield page
    page.close()
    assert faults == []


# A refused answer or a lost socket is what some tests are about; the browser itself reports each one.
def _note(message: ConsoleMessage, faults: list[str]) -> None:
    is_expected = "Failed to load resource" in message.text or "WebSocket connection to" in message.text
    if message.type == "error" and not is_expected:
        faults.append(message.text)


@pytest.fixture
def client(page: Page, stub: StubServer) -> ClientPage:
    return ClientPage(page, stub)
