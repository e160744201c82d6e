"""How a socket ends: by its budgets, by its slowness, by its session, by its client; each told and detached once."""

from typing import Any

import pytest

from sessions.live import facts
from sessions.realtime import limits
from sessions.realtime.doorway import set_doorway
from tests.unit.realtime_double import (
    SECOND_OF_PCM,
    ScriptedConversation,
    ScriptedDoorway,
    append,
    closing,
    connected,
    knock,
)
from workers.errors import BadInputError


@pytest.fixture
def conversation() -> ScriptedConversation:
    return ScriptedConversation()


@pytest.fixture(autouse=True)
def doorway(conversation: ScriptedConversation) -> ScriptedDoorway:
    scripted = ScriptedDoorway(conversation)
    set_doorway(scripted)
    return scripted


async def test_fifty_messages_that_are_no_events_close_the_socket(conversation: ScriptedConversation) -> None:
    socket = knock()
    await socket.connect()
    for _ in range(limits.BAD_MESSAGES_LIMIT):
        await socket.send_to(text_data="{")

    last, code = await closing(socket)

    assert code == 4400
    assert last is not None
    assert last["error"]["code"] == "invalid_json"
    assert conversation.detached == [conversation.transport]
    await socket.disconnect()


async def test_a_recording_of_a_minute_may_be_appended_at_once_and_then_the_socket_closes(
    conversation: ScriptedConversation,
) -> None:
    socket = knock()
    await socket.connect()
    for _ in range(62):
        await socket.send_json_to(append(audio=SECOND_OF_PCM))

    last, code = await closing(socket)

    assert code == 4429
    assert last is not None
    assert last["error"]["code"] == "too_fast"
    assert len([call for call in conversation.calls if call[0] == "hear"]) in (60, 61)
    await socket.disconnect()


async def test_audio_the_session_cannot_hold_closes_the_socket(conversation: ScriptedConversation) -> None:
    conversation.refusals["hear"] = BadInputError("60 s wait", code="audio_overrun")
    socket = knock()
    await socket.connect()
    await socket.send_json_to(append(audio="AAA="))

    last, code = await closing(socket)

    assert code == 4429
    assert last is not None
    assert last["error"]["code"] == "audio_overrun"
    await socket.disconnect()


async def test_nothing_is_taken_after_the_door_has_decided_to_close(
    conversation: ScriptedConversation,
) -> None:
    conversation.refusals["hear"] = BadInputError("60 s wait", code="audio_overrun")
    socket = knock()
    await socket.connect()
    await socket.send_json_to(append(audio="AAA="))
    await socket.send_json_to({"type": "response.create"})
    await closing(socket)
    await socket.disconnect()

    assert [call[0] for call in conversation.calls] == ["hear"]


async def test_a_client_that_leaves_more_than_a_mebibyte_unread_is_closed(
    conversation: ScriptedConversation,
) -> None:
    socket = knock()
    await socket.connect()
    await socket.receive_from()
    for _ in range(3):
        conversation.tell(facts.ReplyAudioAdded("resp_1", "item_a", 0, b"\x00" * 400_000))

    _, code = await closing(socket)

    assert code == 4408
    assert conversation.detached == [conversation.transport]
    await socket.disconnect()


@pytest.mark.parametrize("close_code", [4409, 4410, 1012])
async def test_the_session_ends_the_socket_after_what_was_delivered(
    conversation: ScriptedConversation, close_code: int
) -> None:
    async with connected() as socket:
        conversation.tell(facts.InputCleared())
        assert conversation.transport is not None
        conversation.transport.end(close_code, "because")

        last, code = await closing(socket)

    assert code == close_code
    assert last is not None
    assert last["type"] == "input_audio_buffer.cleared"


async def test_a_session_that_ended_while_opening_closes_after_session_created(
    conversation: ScriptedConversation, doorway: ScriptedDoorway, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = doorway.open

    async def open_and_end(visitor: Any, transport: Any) -> ScriptedConversation:
        opened = await original(visitor, transport)
        transport.end(4410, "stopped")
        return opened

    monkeypatch.setattr(doorway, "open", open_and_end)
    socket = knock()
    await socket.connect()

    last, code = await closing(socket)

    assert code == 4410
    assert last is not None
    assert last["type"] == "session.created"
    await socket.disconnect()


async def test_a_client_that_leaves_detaches_its_transport_once(conversation: ScriptedConversation) -> None:
    async with connected():
        assert conversation.detached == []

    assert conversation.detached == [conversation.transport]


async def test_what_happens_after_the_client_left_is_dropped(conversation: ScriptedConversation) -> None:
    async with connected():
        pass

    conversation.tell(facts.InputCleared())

    assert conversation.clock.seq == 1
