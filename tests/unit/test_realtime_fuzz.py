"""Thousands of messages that nobody should send: none ends in an unhandled error or disturbs the session."""

import json
import random
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from sessions.live.items import MessageItem
from sessions.realtime import binary, limits
from sessions.realtime.client_events import (
    CLIENT_EVENTS,
    ClientEvent,
    ClientEventError,
    parse_binary,
    parse_text,
)
from sessions.realtime.doorway import set_doorway
from tests.unit.realtime_double import ScriptedConversation, ScriptedDoorway, closing, knock, received
from tests.unit.realtime_judge import judge

FIELDS = (
    "type", "event_id", "session", "audio", "input", "output", "format", "rate",
    "turn_detection", "item", "id", "role", "content", "text", "image_url", "item_id",
    "audio_end_ms", "content_index", "response", "metadata", "tools", "name", "nova", "image",
    "source", "captured_at_ms", "voice", "output_modalities", "max_output_tokens",
)  # fmt: skip
WORDS = st.sampled_from(
    [*CLIENT_EVENTS, *FIELDS, "message", "user", "assistant", "input_text", "input_image", "function", "inf"]
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | WORDS
    | st.just("data:image/png;base64,AAAA")
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=6),
    max_leaves=10,
)
EVENTS = st.builds(
    lambda event_type, fields: {**fields, "type": event_type},
    st.sampled_from(list(CLIENT_EVENTS)),
    st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=8),
)
TEXTS = st.one_of(
    EVENTS.map(json.dumps),
    VALUES.map(json.dumps),
    st.text(max_size=60),
    EVENTS.map(json.dumps).flatmap(lambda text: st.integers(0, len(text)).map(lambda cut: text[:cut])),
)
BINARIES = st.one_of(
    st.binary(max_size=60),
    st.builds(binary.pack, EVENTS, st.binary(max_size=9)),
    st.builds(lambda event, cut: binary.pack(event, b"ab")[:cut], EVENTS, st.integers(0, 80)),
)
MESSAGES_IN_ALL = 2_000
MESSAGES_A_SOCKET = limits.BAD_MESSAGES_LIMIT - 1


def outcome(parse: Callable[[Any], ClientEvent], message: str | bytes) -> str:
    try:
        return parse(message).type
    except ClientEventError as error:
        return error.code if error.text else ""


@given(message=TEXTS)
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_text_is_an_event_or_a_named_refusal(message: str) -> None:
    assert outcome(parse_text, message)


@given(message=BINARIES)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_binary_message_is_an_event_or_a_named_refusal(message: bytes) -> None:
    assert outcome(parse_binary, message)


def _malformed(seed: random.Random) -> str | bytes:
    """A good event broken in one place, or noise."""
    event: Any = {"type": seed.choice(list(CLIENT_EVENTS)), "event_id": f"e{seed.random()}"}
    for _ in range(seed.randrange(4)):
        event[seed.choice(FIELDS)] = seed.choice(
            [None, True, -1, 1e308, "", "x" * 99, [], [[{}]], {"type": {}}, "AAA="]
        )
    if seed.random() < 0.2:
        event["type"] = seed.choice(["", "nova.state", "session.created", None, 5, {}, []])
    text = json.dumps(event)
    how = seed.randrange(5)
    if how == 0:
        return text[: seed.randrange(1, len(text))]
    if how == 1:
        return seed.randbytes(seed.randrange(1, 60))
    if how == 2:
        return binary.pack(event, seed.randbytes(3))
    if how == 3:
        return "[" * seed.randrange(1, 3_000)
    return text


async def _one_socket(seed: random.Random) -> int:
    conversation = ScriptedConversation()
    set_doorway(ScriptedDoorway(conversation))
    socket = knock(subprotocols=[seed.choice(["realtime", "nova.json", "nova.binary"])])
    await socket.connect()
    for _ in range(MESSAGES_A_SOCKET):
        message = _malformed(seed)
        data = message if isinstance(message, bytes) else None
        await socket.send_to(text_data=None if data else str(message), bytes_data=data)
    conversation.items["last"] = MessageItem("last", "user", ())
    await socket.send_json_to({"type": "conversation.item.retrieve", "item_id": "last"})
    await received(socket, "conversation.item.retrieved")
    await socket.disconnect()
    assert conversation.detached == [conversation.transport]
    return MESSAGES_A_SOCKET


async def test_two_thousand_malformed_messages_leave_every_socket_open_and_nothing_unhandled() -> None:
    seed = random.Random(20_261_122)
    sent = 0

    with capture_logs() as logs:
        while sent < MESSAGES_IN_ALL:
            sent += await _one_socket(seed)

    assert [entry for entry in logs if entry["log_level"] == "error"] == []


async def test_each_malformed_message_gets_an_error_that_the_official_models_accept() -> None:
    set_doorway(ScriptedDoorway(ScriptedConversation()))
    socket = knock()
    await socket.connect()
    for _ in range(limits.BAD_MESSAGES_LIMIT):
        await socket.send_to(text_data='{"type": "no.such.event", "event_id": "mine"}')

    for _ in range(limits.BAD_MESSAGES_LIMIT - 1):
        event = await received(socket, "error")
        judge(event)
        assert event["error"]["event_id"] == "mine"
    assert (await closing(socket))[1] == 4400
    await socket.disconnect()
