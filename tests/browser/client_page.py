"""Owns the words in which the browser tests speak of the page: open, connect, captions, alerts, state."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Locator, Page, expect

from .sounds import speech
from .stub_server import StubServer
from .stub_socket import StubSocket

WAIT_LIMIT_MS = 10_000
# Speech that nobody stops is still playing when a wait for silence gives up.
LONGER_THAN_ANY_WAIT_SECONDS = 14.0


class ClientPage:
    def __init__(self, page: Page, stub: StubServer) -> None:
        self.page = page
        self.stub = stub
        page.set_default_timeout(WAIT_LIMIT_MS)

    def open(self) -> ClientPage:
        self.page.goto(self.stub.origin)
        self.page.wait_for_function("() => Boolean(window.novaProbe)")
        return self

    def press_connect(self) -> None:
        self.page.get_by_role("button", name="Connect", exact=True).click()

    def connect(self, index: int = 0) -> StubSocket:
        if self.page.url == "about:blank":
            self.open()
        self.press_connect()
        socket = self.stub.wait_socket(index)
        self.wait_phase("open")
        return socket

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    @property
    def state(self) -> dict[str, Any]:
        return dict(self.page.evaluate("() => window.novaProbe.state"))

    @property
    def captions(self) -> list[tuple[str, str]]:
        entries = self.page.evaluate("() => window.novaProbe.captions")
        return [(entry["role"], entry["text"]) for entry in entries]

    def wait_phase(self, phase: str) -> None:
        self.wait("(phase) => novaProbe.state.phase === phase", phase)

    def wait_mood(self, mood: str) -> None:
        self.wait("(mood) => novaProbe.state.mood === mood", mood)

    def wait_sound(self) -> None:
        self.wait("() => novaProbe.played_rms > 0.1")

    def wait_silence(self) -> None:
        self.wait("() => novaProbe.played_rms === 0")

    def wait_captions(self, *expected: tuple[str, str]) -> None:
        seen = "() => JSON.stringify(novaProbe.captions.map(({ role, text }) => [role, text]))"
        self.page.wait_for_function(
            f"(expected) => ({seen})() === JSON.stringify(expected)", arg=[list(pair) for pair in expected]
        )

    def wait(self, script: str, argument: Any = None) -> None:
        self.page.wait_for_function(script, arg=argument)

    def expect_alert(self, title: str) -> Locator:
        alert = self.page.locator(".alert", has_text=title)
        expect(alert).to_be_visible(timeout=WAIT_LIMIT_MS)
        return alert


def begin_reply(socket: StubSocket, response_id: str = "resp_1") -> None:
    socket.send("response.created", response={"id": response_id, "status": "in_progress"})


def place_of(response_id: str, item_id: str) -> dict[str, Any]:
    return {"response_id": response_id, "item_id": item_id, "output_index": 0, "content_index": 0}


def send_speech(socket: StubSocket, seconds: float, response_id: str = "resp_1", item_id: str = "item_a1") -> None:
    """In pieces of 100 ms, as the real server does."""
    sound = speech(seconds)
    piece_bytes = 4800
    for start in range(0, len(sound), piece_bytes):
        socket.send(
            "response.output_audio.delta",
            sound[start : start + piece_bytes],
            **place_of(response_id, item_id),
        )


def end_reply(
    socket: StubSocket, response_id: str = "resp_1", item_id: str = "item_a1", status: str = "completed"
) -> None:
    place = place_of(response_id, item_id)
    socket.send("response.output_audio.done", **place)
    socket.send("response.done", response={"id": response_id, "status": status, "output": []})


def say_words(socket: StubSocket, text: str, response_id: str = "resp_1", item_id: str = "item_a1") -> None:
    place = place_of(response_id, item_id)
    socket.send("response.output_audio_transcript.delta", delta=text, **place)
