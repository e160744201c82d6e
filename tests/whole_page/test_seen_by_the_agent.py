"""A real video before the page's camera: the journal of the model's calls and the page's strip show the same frames."""

import os
import wave
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


def _silence(path: Path) -> Path:
    """Chromium's own microphone beeps."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(bytes(64_000))
    return path


@pytest.fixture
def emulated() -> Iterator[House]:
    with House("aws", settings={"NOVA_AUTH": "open"}) as house:
        house.aws.script(defaults={"bedrock": {"text": "I see it."}, "polly": {"duration_ms": 200}})
        yield house


@pytest.fixture
def page(emulated: House, tmp_path: Path) -> Iterator[Page]:
    """A browser whose camera shows the video, again and again."""
    video = make_camera_file(tmp_path / "camera.mjpeg", "-c:v", "mjpeg", "-q:v", "5")
    flags = [
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={video}",
        f"--use-file-for-fake-audio-capture={_silence(tmp_path / 'silence.wav')}",
        *QUIET_FLAGS,
        *(["--no-sandbox"] if os.geteuid() == 0 else []),
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path(), args=flags)
        page = browser.new_page(locale="en-US", viewport={"width": 1280, "height": 800})
        page.set_default_timeout(LIMIT_MS)
        page.goto(emulated.url)
        page.wait_for_function("() => Boolean(window.novaProbe)")
        yield page
        browser.close()


def test_the_page_shows_the_frames_of_the_video_that_the_agent_saw(page: Page, emulated: House) -> None:
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
    facts = [call["facts"] for call in emulated.aws.journal(service="bedrock", full=True)]
    calls = [call for call in facts if "pictures" in call["metadata"]]
    assert [bool(call["images"]) for call in calls] == [True, True]
    told = [part.split("=") for part in calls[-1]["metadata"]["pictures"].split(", ")]
    why = [reason for reason, moments in told for _ in moments.split()]
    assert sorted(why) == sorted(page.evaluate(SEES)[-len(why) :])
