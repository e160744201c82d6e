"""How the page stands on narrow and wide screens, by day and by night."""

from __future__ import annotations

from typing import Literal

import pytest
from playwright.sync_api import expect

from .client_page import ClientPage, say_words

WIDTHS = [(360, 740), (768, 1024), (1280, 800)]
WORDS_ON_THE_PAGE = (
    ".by-agent .words",
    ".by-user .words",
    ".speaker",
    "#status",
    ".alert strong",
    ".alert code",
)
CONTROLS = ("Mute", "Camera", "Screen", "Interrupt", "End", "Send")

# WCAG's ratio between an element's own ink and the nearest ground that is painted behind it.
CONTRAST = """(selector) => {
    const channel = (value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    const luminance = ([red, green, blue]) =>
        0.2126 * channel(red / 255) + 0.7152 * channel(green / 255) + 0.0722 * channel(blue / 255);
    const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
    const element = document.querySelector(selector);
    let ground = element;
    while (numbers(getComputedStyle(ground).backgroundColor)[3] === 0) ground = ground.parentElement;
    const pair = [getComputedStyle(element).color, getComputedStyle(ground).backgroundColor]
        .map((color) => luminance(numbers(color))).sort((one, other) => other - one);
    return (pair[0] + 0.05) / (pair[1] + 0.05);
}"""


@pytest.mark.parametrize(("width", "height"), WIDTHS)
def test_everything_needed_is_on_the_screen(client: ClientPage, width: int, height: int) -> None:
    client.page.set_viewport_size({"width": width, "height": height})
    socket = client.connect()
    say_words(socket, "A long answer with averyveryverylongwordthatdoesnotbreak" * 20)
    client.button("Camera").click()
    expect(client.page.get_by_text("The agent sees your camera")).to_be_visible()
    frames = [
        {"captured_at_ms": number, "source": "camera", "place": "picture", "reason": "newest"} for number in range(20)
    ]
    socket.send("nova.vision", interval_ms=500, response_id="resp_1", frames=frames, tokens=1658, cost_usd=0.0013)
    expect(client.page.locator(".seen-frame")).to_have_count(20)
    for name in CONTROLS:
        box = client.button(name).bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["y"] + box["height"] <= height
        assert min(box["width"], box["height"]) >= 40
    assert client.page.evaluate("() => document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(("width", "height"), WIDTHS)
def test_an_alert_can_be_read_and_pressed(client: ClientPage, width: int, height: int) -> None:
    client.page.set_viewport_size({"width": width, "height": height})
    client.connect().close(4409)
    client.expect_alert("another tab")
    client.button("Use it here").click()
    client.stub.wait_socket(1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_their_ground(client: ClientPage, scheme: Literal["light", "dark"]) -> None:
    client.page.emulate_media(color_scheme=scheme)
    socket = client.connect()
    say_words(socket, "hello")
    socket.send("nova.transcript", item_id="item_u1", text="hm", is_final=False)
    socket.send("error", error={"code": "some_code", "message": "Something went wrong."})
    client.expect_alert("The server reports an error")
    for selector in WORDS_ON_THE_PAGE:
        assert client.page.evaluate(CONTRAST, selector) >= 4.5, selector
