"""A scripted live session and helpers for the tests of the websocket door; keeps every call it got."""

import base64
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from channels.testing import WebsocketCommunicator

from sessions.live.config import SessionConfig
from sessions.live.facts import ConfigChanged, Fact
from sessions.live.items import Item
from sessions.live.transport import ConfigChanges, EventClock, ReplyOptions, Transport
from sessions.realtime.consumer import RealtimeConsumer
from sessions.realtime.doorway import Visitor
from workers.language_model.contract import ModelOptions
from workers.text_to_speech.contract import VoiceOptions

SECOND_OF_PCM = base64.b64encode(b"\x00\x00" * 24_000).decode()
HOST_HEADER = (b"host", b"127.0.0.1:8000")


def session_config(**changes: Any) -> SessionConfig:
    fields: dict[str, Any] = {
        "graph_name": "voice",
        "instructions": "Be brief.",
        "greeting": "Hello.",
        "model": ModelOptions("us.amazon.nova-pro-v1:0"),
        "voice": VoiceOptions("Ruth", "generative", "en-US"),
        "listening_language": "en-US",
    }
    return SessionConfig(**{**fields, **changes})


class ScriptedConversation:
    """`calls` holds (method, arguments); `refusals` maps a method to the error it raises."""

    session_id = "sess_0123"
    channel_name = "room"

    def __init__(self, **config: Any) -> None:
        self.config = session_config(**config)
        self.clock = EventClock("e1")
        self.is_started = True
        self.frame_interval_ms = 500
        self.calls: list[tuple[Any, ...]] = []
        self.refusals: dict[str, BaseException] = {}
        self.items: dict[str, Item] = {}
        self.detached: list[Transport] = []
        self.transport: Transport | None = None
        self.on_update: Callable[[ConfigChanges], None] | None = None

    def tell(self, *told: Fact) -> None:
        assert self.transport is not None
        for fact in told:
            self.transport.deliver(fact)

    def _called(self, name: str, *arguments: Any) -> None:
        self.calls.append((name, *arguments))
        if name in self.refusals:
            raise self.refusals[name]

    def hear(self, pcm: bytes) -> None:
        self._called("hear", pcm)

    def commit_input(self, event_id: str | None) -> None:
        self._called("commit_input", event_id)

    def clear_input(self) -> None:
        self._called("clear_input")

    def see(self, image: bytes, source: str, captured_at_ms: int, event_id: str | None = None) -> None:
        self._called("see", image, source, captured_at_ms, event_id)

    def update(self, changes: ConfigChanges, event_id: str | None) -> None:
        self._called("update", changes, event_id)
        if self.transport is not None:
            self.tell(ConfigChanged(self.config, event_id))

    def add_item(
        self,
        item: Item,
        previous_item_id: str | None,
        image_bytes: tuple[bytes, ...] = (),
        event_id: str | None = None,
    ) -> None:
        self._called("add_item", item, previous_item_id, image_bytes, event_id)
        self.items[item.item_id] = item

    def find_item(self, item_id: str) -> Item | None:
        return self.items.get(item_id)

    def delete_item(self, item_id: str) -> None:
        self._called("delete_item", item_id)

    def truncate_item(self, item_id: str, content_index: int, audio_end_ms: int) -> None:
        self._called("truncate_item", item_id, content_index, audio_end_ms)

    def report_progress(self, item_id: str, audio_end_ms: int) -> None:
        self._called("report_progress", item_id, audio_end_ms)

    def create_reply(self, options: ReplyOptions, event_id: str | None) -> None:
        self._called("create_reply", options, event_id)

    def cancel_reply(self, reply_id: str | None, event_id: str | None) -> None:
        self._called("cancel_reply", reply_id, event_id)

    def detach(self, transport: Transport) -> None:
        self.detached.append(transport)


class ScriptedDoorway:
    def __init__(self, conversation: ScriptedConversation) -> None:
        self.conversation = conversation
        self.visitors: list[Visitor] = []
        self.refusal: BaseException | None = None
        self.before_returning: list[Fact] = []

    async def open(self, visitor: Visitor, transport: Transport) -> ScriptedConversation:
        self.visitors.append(visitor)
        if self.refusal is not None:
            raise self.refusal
        self.conversation.transport = transport
        self.conversation.tell(*self.before_returning)
        return self.conversation


def knock(
    *,
    bearer: str | None = "any-key",
    origin: str | None = None,
    subprotocols: list[str] | None = None,
    query: str = "",
    headers: tuple[tuple[bytes, bytes], ...] = (),
) -> WebsocketCommunicator:
    sent = [HOST_HEADER, *headers]
    if bearer is not None:
        sent.append((b"authorization", f"Bearer {bearer}".encode()))
    if origin is not None:
        sent.append((b"origin", origin.encode()))
    path = f"/v1/realtime{query}"
    return WebsocketCommunicator(RealtimeConsumer.as_asgi(), path, headers=sent, subprotocols=subprotocols)


async def received(socket: WebsocketCommunicator, wanted_type: str) -> dict[str, Any]:
    """The next event of that type; those before it are read past."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        message = await socket.receive_from()
        event = {"type": None} if isinstance(message, bytes) else json.loads(message)
        if event["type"] == wanted_type:
            return dict(event)
    raise AssertionError(f"no {wanted_type} came")


async def events_until(socket: WebsocketCommunicator, last_type: str) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    while not events or events[-1]["type"] != last_type:
        events.append(json.loads(await socket.receive_from()))
    return events


async def closing(socket: WebsocketCommunicator) -> tuple[dict[str, Any] | None, int]:
    """The last event before the server closed, and the close code."""
    last: dict[str, Any] | None = None
    while True:
        message = await socket.receive_output(timeout=2)
        if message["type"] == "websocket.close":
            return last, int(message["code"])
        if message.get("text"):
            last = json.loads(message["text"])


@asynccontextmanager
async def connected(**how: Any) -> AsyncIterator[WebsocketCommunicator]:
    socket = knock(**how)
    is_accepted, _ = await socket.connect()
    assert is_accepted
    created = json.loads(await socket.receive_from())
    assert created["type"] == "session.created"
    try:
        yield socket
    finally:
        await socket.disconnect()


def append(**fields: Any) -> dict[str, Any]:
    return {"type": "input_audio_buffer.append", **fields}
