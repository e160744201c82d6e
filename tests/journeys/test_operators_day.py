"""An operator's day in Chromium, on the real admin of one web process while another holds the talk."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import ConsoleMessage, Page, async_playwright

from tests.browser.conftest import QUIET_FLAGS, browser_path
from tests.house import ROOT, House
from tests.journeys.client import Client, connect_socket, see_calls, tell_script
from tests.journeys.sounds import speech

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

NAME, PASSWORD = "ada", "an operator's long password"
WIDTHS = {"phone": 390, "tablet": 834, "desk": 1440}
LIMIT_MS = 15_000
SLOW_MS = 2_200
ANSWERS = ["I am glad to help.", "It took me a while to think of that.", "As you wish."]
SPOKEN = "Think about it for a while."
WHISPER = "Offer the customer a discount of ten percent."
SAID = "A colleague of mine has joined us."


def make_operator(house: House) -> None:
    command = [sys.executable, "manage.py", "make_operator", NAME, "--password-stdin"]
    done = subprocess.run(
        command, cwd=ROOT, env=house.environment, input=PASSWORD, text=True, capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


@asynccontextmanager
async def browser_page(faults: list[str]) -> AsyncIterator[Page]:
    flags = [*QUIET_FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=browser_path(), args=flags)
        page = await browser.new_page(locale="en-US", viewport={"width": WIDTHS["desk"], "height": 900})
        page.set_default_timeout(LIMIT_MS)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: _note(message, faults))
        yield page
        await browser.close()


def _note(message: ConsoleMessage, faults: list[str]) -> None:
    if message.type == "error":
        faults.append(message.text)


async def photograph(page: Page, name: str) -> None:
    """For people to look at; only where NOVA_SCREENSHOTS names a folder."""
    folder = os.environ.get("NOVA_SCREENSHOTS")
    if folder is None:
        return
    for width_name, width in WIDTHS.items():
        await page.set_viewport_size({"width": width, "height": 900})
        await page.screenshot(path=Path(folder) / f"{name}-{width_name}.png", full_page=True)
    await page.set_viewport_size({"width": WIDTHS["desk"], "height": 900})


async def sign_in(page: Page, url: str) -> None:
    await page.goto(f"{url}/admin/")
    await page.fill("#id_username", NAME)
    await page.fill("#id_password", PASSWORD)
    await page.click("button[type=submit]")
    await page.wait_for_selector("#dashboard[data-state=shown]")


async def open_live_view(page: Page, url: str, channel_name: str) -> None:
    await page.goto(f"{url}/admin/nova_sessions/session/?is=live")
    await photograph(page, "sessions")
    await page.get_by_role("link", name=channel_name).click()
    await page.get_by_role("link", name="Live", exact=True).click()
    await page.get_by_text("connected", exact=True).wait_for()


async def watch_and_act(page: Page, client: Client, house: House) -> None:
    """Captions come, a whisper reaches the model, and what shall be said is said."""
    captions = page.locator("#captions")
    await captions.get_by_text(ANSWERS[0]).wait_for()
    before = client.now
    await client.speak(speech(800))
    await client.wait_for("response.done", after=before)
    await captions.get_by_text(SPOKEN).wait_for()
    await captions.get_by_text(ANSWERS[1]).wait_for()
    await page.fill("#whisper", WHISPER)
    await page.get_by_role("button", name="Whisper").click()
    await page.get_by_text("The model will know").wait_for()
    await client.ask("And what does it cost?")
    calls = await see_calls(house, "bedrock", 3)
    assert [WHISPER in str(call["request"]["system"]) for call in calls] == [False, False, True]
    before = client.now
    await page.fill("#say", SAID)
    await page.get_by_role("button", name="Say", exact=True).click()
    await client.wait_for("response.done", after=before)
    assert SAID in client.said(before)
    await captions.get_by_text(SAID).wait_for()
    await photograph(page, "live")


async def stop(page: Page, client: Client) -> None:
    await page.get_by_role("button", name="Stop").click()
    assert await client.wait_closed() == 4410


async def find_the_slow_turn(page: Page, url: str) -> None:
    """The list of turns by delay leads to the page that says where the time went and why the turn ended."""
    await wait_for_row(page, f"{url}/admin/nova_sessions/turn/?slower=2000", "table#result_list tbody tr")
    await photograph(page, "turns")
    await page.locator("table#result_list tbody tr a").first.click()
    await page.get_by_text("Where the time went").wait_for()
    stages = await page.locator(".nova-waterfall rect title").all_text_contents()
    assert any(stage.startswith("writing") for stage in stages), stages
    await photograph(page, "turn")


async def wait_for_row(page: Page, address: str, selector: str) -> None:
    """Records are written a second or so after they happened."""
    for _ in range(60):
        await page.goto(address)
        if await page.locator(selector).count():
            return
        await asyncio.sleep(0.25)
    raise AssertionError(f"nothing at {address}")


async def export(page: Page) -> str:
    async with page.expect_download() as waiting:
        await page.get_by_role("link", name="JSON", exact=True).click()
    path = await (await waiting.value).path()
    return await asyncio.to_thread(Path(path).read_text)


async def erase(page: Page, url: str, channel_name: str) -> None:
    await page.get_by_role("link", name="Erase").click()
    await photograph(page, "erase")
    await page.get_by_role("button", name="Erase it").click()
    await page.get_by_text("is erased").wait_for()
    await page.goto(f"{url}/admin/nova_sessions/session/?q={channel_name}")
    assert await page.get_by_role("link", name=channel_name).count() == 0


async def test_an_operators_day(house: House) -> None:
    make_operator(house)
    plans = [{"text": ANSWERS[0]}, {"text": ANSWERS[1], "first_token_ms": SLOW_MS}, {"text": ANSWERS[2]}]
    await tell_script(house, texts=[SPOKEN], bedrock=plans, defaults={"polly": {"ms_per_character": 10}})
    faults: list[str] = []
    url = house.urls[1]
    async with browser_page(faults) as page, connect_socket(house, web=0) as client:
        await client.ask("Hello there.")
        await sign_in(page, url)
        session_id, channel_name = await running_session(page, url)
        await open_live_view(page, url, channel_name)
        await watch_and_act(page, client, house)
        await stop(page, client)
        await find_the_slow_turn(page, url)
        await page.goto(f"{url}/admin/nova_sessions/session/{session_id}/change/")
        await photograph(page, "session")
        await page.get_by_role("link", name="Transcript", exact=True).click()
        await photograph(page, "transcript")
        exported = await export(page)
        assert [text in exported for text in ("Hello there.", SPOKEN, ANSWERS[1])] == [True] * 3
        await page.goto(f"{url}/admin/")
        await page.wait_for_selector("#dashboard[data-state=shown]")
        await photograph(page, "dashboard")
        await page.goto(f"{url}/admin/nova_sessions/session/{session_id}/change/")
        await erase(page, url, channel_name)
        await page.goto(f"{url}/admin/nova_sessions/auditentry/")
        await photograph(page, "audit")
        noted = await page.locator("table#result_list").inner_text()
    acts = ("session.watch", "session.whisper", "session.say", "session.stop", "session.export", "session.erase")
    assert [act for act in acts if act not in noted] == []
    assert faults == []


async def running_session(page: Page, url: str) -> tuple[str, str]:
    """Id and channel of the newest session, as its list shows it."""
    await page.goto(f"{url}/admin/nova_sessions/session/?is=live")
    link: Any = page.locator("table#result_list tbody tr a").first
    address = str(await link.get_attribute("href"))
    return address.split("/session/")[1].split("/")[0], str(await link.inner_text())
