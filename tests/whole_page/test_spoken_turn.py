"""The page in a real browser on the whole system with the local providers: a question is asked aloud and answered aloud."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, TimeoutError, sync_playwright

from tests.browser.conftest import QUIET_FLAGS, browser_path
from tests.house import House
from tests.voice import write_question

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

QUESTION = "what is the weather today"
ANSWER_LIMIT_MS = 40_000
SILENCE_LIMIT_MS = 200

# Clicks, then measures in the page itself until the playback worklet has rendered nothing but silence.
INTERRUPT_AND_MEASURE = """async (name) => {
  const button = [...document.querySelectorAll('button')].find((each) => each.textContent.trim() === name);
  const started = performance.now();
  button.click();
  while (novaProbe.played_rms > 0 && performance.now() - started < 5000) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return performance.now() - started;
}"""


@pytest.fixture
def page(house: House, tmp_path: Path) -> Iterator[Page]:
    """A browser whose microphone asks the question once, six seconds after it is opened: a cold page takes its time."""
    question = write_question(tmp_path / "question.wav", QUESTION, lead_ms=6_000, silence_ms=60_000)
    flags = [
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={question}%noloop",
        *QUIET_FLAGS,
        *(["--no-sandbox"] if os.geteuid() == 0 else []),
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path(), args=flags)
        page = browser.new_page(locale="en-US", viewport={"width": 1280, "height": 800})
        page.goto(house.url)
        page.wait_for_function("() => Boolean(window.novaProbe)")
        yield page
        browser.close()


def test_a_question_asked_aloud_is_answered_aloud_and_the_answer_can_be_silenced(page: Page, house: House) -> None:
    page.get_by_role("button", name="Connect", exact=True).click()
    page.wait_for_function("() => novaProbe.state.phase === 'open'", timeout=ANSWER_LIMIT_MS)
    asked = "() => novaProbe.captions.filter((each) => each.role === 'user').map((each) => each.text).join(' ')"
    page.wait_for_function(f"() => ({asked})().length > 0", timeout=ANSWER_LIMIT_MS)
    try:
        page.wait_for_function(
            """() => { const last = novaProbe.captions.at(-1);
                       return last && last.role !== 'user' && novaProbe.played_rms > 0.02; }""",
            timeout=ANSWER_LIMIT_MS,
        )
    except TimeoutError:
        pytest.fail(_what_was_seen(page, house))
    heard = set(str(page.evaluate(asked)).lower().replace("?", "").split())
    assert len(heard & set(QUESTION.split())) >= 2
    silent_after_ms = float(page.evaluate(INTERRUPT_AND_MEASURE, "Interrupt"))
    assert silent_after_ms <= SILENCE_LIMIT_MS


def _what_was_seen(page: Page, house: House) -> str:
    seen = page.evaluate("() => JSON.stringify([novaProbe.state, novaProbe.captions, novaProbe.played_rms])")
    logs = [f"--- {process.name}\n{process.log()[-3_000:]}" for process in house.processes]
    return "\n".join([f"no answer was heard: {seen}", *logs])
