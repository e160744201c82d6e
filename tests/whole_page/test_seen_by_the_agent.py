"""A real video before the page's camera: the agent is asked what it sees, and the page shows the frames it saw."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.browser.conftest import QUIET_FLAGS, browser_path
from tests.house import House
from tests.video import make_camera_file

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

LIMIT_MS = 40_000
SEES = "() => novaProbe.seen.filter((frame) => frame.place !== 'out').map((frame) => frame.reason)"


@pytest.fixture
def page(house: House, tmp_path: Path) -> Iterator[Page]:
    """A browser whose camera shows the video, again and again."""
    video = make_camera_file(tmp_path / "camera.mjpeg", "-c:v", "mjpeg", "-q:v", "5")
    flags = [
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={video}",
        *QUIET_FLAGS,
        *(["--no-sandbox"] if os.geteuid() == 0 else []),
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path(), args=flags)
        page = browser.new_page(locale="en-US", viewport={"width": 1280, "height": 800})
        page.set_default_timeout(LIMIT_MS)
        page.goto(house.url)
        page.wait_for_function("() => Boolean(window.novaProbe)")
        yield page
        browser.close()


def test_the_page_shows_the_frames_of_the_video_that_the_agent_saw(page: Page) -> None:
    page.get_by_role("button", name="Connect", exact=True).click()
    page.wait_for_function("() => novaProbe.state.phase === 'open'")
    page.get_by_role("button", name="Camera", exact=True).click()
    expect(page.get_by_text("The agent sees your camera")).to_be_visible()
    for _ in range(2):
        page.wait_for_timeout(1_500)
        page.get_by_placeholder("Type a message").fill("What do you see?")
        count = len(page.evaluate(SEES))
        page.get_by_role("button", name="Send", exact=True).click()
        page.wait_for_function(f"(count) => ({SEES})().length > count", arg=count)
    assert page.evaluate(SEES)[-1] == "newest"
    frames = page.locator(".seen-frame")
    expect(frames.locator("canvas")).to_have_count(frames.count())
    expect(page.locator("#strip-summary")).to_contain_text("tokens")
