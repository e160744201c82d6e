"""The websocket whole, before a scripted session: order of events, bad input, and what nova clients get."""

import base64
import json
from typing import Any

import pytest
from channels.testing import WebsocketCommunicator
from structlog.testing import capture_logs

from sessions.live import facts
from sessions.live.items import Content, MessageItem
from sessions.realtime import binary, limits
from sessions.realtime.doorway import set_doorway
from tests.unit.realtime_double import (
    SECOND_OF_PCM,
    ScriptedConversation,
    ScriptedDoorway,
    append,
    connected,
    events_until,
    knock,
    received,
)
from tests.unit.realtime_judge import judge
from workers.errors import BadInputError, PictureRejectedError

SPOKEN = MessageItem("item_a", "assistant", (Content("output_audio", "Hello."),))


@pytest.fixture
def conversation() -> ScriptedConversation:
    return ScriptedConversation()


@pytest.fixture(autouse=True)
def doorway(conversation: ScriptedConversation) -> ScriptedDoorway:
    scripted = ScriptedDoorway(conversation)
    set_doorway(scripted)
    return scripted


async def error_of(socket: WebsocketCommunicator, message: Any) -> dict[str, Any]:
    if isinstance(message, bytes):
        await socket.send_to(bytes_data=message)
    else:
        await socket.send_to(text_data=message if isinstance(message, str) else json.dumps(message))
    event = await received(socket, "error")
    judge(event)
    return dict(event["error"])


async def is_still_open(socket: WebsocketCommunicator, conversation: ScriptedConversation) -> bool:
    conversation.tell(facts.InputCleared())
    return bool(await received(socket, "input_audio_buffer.cleared"))


async def test_session_created_comes_first_whatever_happened_before(
    conversation: ScriptedConversation, doorway: ScriptedDoorway
) -> None:
    doorway.before_returning = [facts.ReplyStarted("resp_greeting")]
    socket = knock()
    await socket.connect()

    events = await events_until(socket, "response.created")

    assert [event["type"] for event in events] == ["session.created", "response.created"]
    assert [event["event_id"] for event in events] == ["evt_e1_1", "evt_e1_2"]
    await socket.disconnect()


async def test_a_whole_spoken_exchange_keeps_its_order_and_numbers(
    conversation: ScriptedConversation,
) -> None:
    async with connected() as socket:
        await socket.send_json_to(append(audio=SECOND_OF_PCM))
        conversation.tell(
            facts.UserSpeechStarted("item_u", 100),
            facts.UserWordsChanged("item_u", "what time", delta="what time"),
            facts.UserSpeechStopped("item_u", 900),
            facts.InputCommitted("item_u", None),
            facts.ItemAdded(MessageItem("item_u", "user", (Content("input_audio"),)), None),
            facts.UserTurnTranscribed("item_u", "what time", 0.9),
            facts.ReplyStarted("resp_1"),
            facts.ReplyItemStarted("resp_1", 0, SPOKEN, "item_u"),
            facts.ReplyTextAdded("resp_1", "item_a", 0, "Hello."),
            facts.ReplyAudioAdded("resp_1", "item_a", 0, b"\x01\x02"),
            facts.ReplyItemFinished("resp_1", 0, SPOKEN),
            facts.ReplyEnded("resp_1", "completed", (SPOKEN,)),
        )

        events = await events_until(socket, "response.done")

    for event in events:
        judge(event)
    assert [event["type"] for event in events] == [
        "input_audio_buffer.speech_started",
        "conversation.item.input_audio_transcription.delta",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.input_audio_transcription.completed",
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_audio_transcript.delta",
        "response.output_audio.delta",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
    ]
    assert [event["event_id"] for event in events] == [f"evt_e1_{seq}" for seq in range(2, 2 + len(events))]
    assert base64.b64decode(events[11]["delta"]) == b"\x01\x02"
    assert conversation.calls[0] == ("hear", b"\x00\x00" * 24_000)


async def test_an_update_is_answered_with_the_effective_configuration(
    conversation: ScriptedConversation,
) -> None:
    async with connected() as socket:
        session = {"instructions": "Sing.", "max_output_tokens": "inf", "tracing": None}
        await socket.send_json_to({"type": "session.update", "event_id": "u1", "session": session})

        updated = await received(socket, "session.updated")

    judge(updated)
    assert updated["session"]["instructions"] == conversation.config.instructions
    assert conversation.calls[0][2] == "u1"


def frame(image: str) -> dict[str, Any]:
    return {"type": "input_video_buffer.append", "image": image, "event_id": "x5"}


@pytest.mark.parametrize(
    ("message", "code", "param", "event_id"),
    [
        ("{", "invalid_json", None, None),
        ("[1]", "invalid_json", None, None),
        ({"type": "no.such", "event_id": "x1"}, "invalid_value", "type", "x1"),
        ({"type": "session.update", "session": 5, "event_id": "x2"}, "invalid_type", "session", "x2"),
        (append(audio="YWJj", event_id="x3"), "audio_odd_length", "audio", "x3"),
        (append(audio="~", event_id="x4"), "invalid_base64", "audio", "x4"),
        (frame("aGVsbG8="), "image_rejected", "image", "x5"),
        (frame("A" * limits.MESSAGE_LIMIT_BYTES), "message_too_large", None, None),
        ({"type": "response.cancel", "x": "a" * 20_000, "event_id": "x6"}, "message_too_large", None, "x6"),
        (b"\x00\x02{}", "binary_not_agreed", None, None),
    ],
)
async def test_bad_input_is_a_typed_error_and_disturbs_nothing(
    conversation: ScriptedConversation, message: Any, code: str, param: str | None, event_id: str | None
) -> None:
    async with connected() as socket:
        error = await error_of(socket, message)

        assert (error["code"], error["param"], error["event_id"]) == (code, param, event_id)
        assert error["type"] == "invalid_request_error"
        assert conversation.calls == []
        assert await is_still_open(socket, conversation)


async def test_what_the_session_refuses_names_the_event(conversation: ScriptedConversation) -> None:
    active = "conversation_already_has_active_response"
    conversation.refusals["create_reply"] = BadInputError("a reply is in progress", code=active)

    async with connected() as socket:
        error = await error_of(socket, {"type": "response.create", "event_id": "c1"})

    assert (error["code"], error["event_id"]) == (active, "c1")
    assert error["message"] == "response.create: a reply is in progress"


async def test_a_picture_the_session_refuses_is_the_clients_fault(conversation: ScriptedConversation) -> None:
    conversation.refusals["see"] = PictureRejectedError("too large", code="image_too_large")
    png = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()

    async with connected() as socket:
        error = await error_of(socket, {"type": "input_video_buffer.append", "image": png})

    assert (error["code"], error["type"]) == ("image_too_large", "invalid_request_error")


async def test_an_unexpected_fault_ends_one_event_and_tells_no_detail(
    conversation: ScriptedConversation,
) -> None:
    conversation.refusals["clear_input"] = RuntimeError("secret detail")

    with capture_logs() as logs:
        async with connected() as socket:
            error = await error_of(socket, {"type": "input_audio_buffer.clear", "event_id": "k"})

            assert (error["code"], error["type"], error["event_id"]) == ("internal", "server_error", "k")
            assert "secret" not in error["message"]
            assert await is_still_open(socket, conversation)

    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["event_failed"]


async def test_a_stream_of_refused_audio_is_told_once_a_second(conversation: ScriptedConversation) -> None:
    conversation.refusals["hear"] = BadInputError("not started", code="session_not_started")

    async with connected() as socket:
        for _ in range(20):
            await socket.send_json_to(append(audio="AAA="))
        await socket.send_json_to({"type": "input_audio_buffer.clear"})
        await received(socket, "error")
        conversation.tell(facts.InputCleared())

        event = json.loads(await socket.receive_from())

    assert event["type"] == "input_audio_buffer.cleared"


async def test_nova_binary_carries_speech_as_raw_bytes(conversation: ScriptedConversation) -> None:
    async with connected(subprotocols=["realtime", "nova.binary"]) as socket:
        conversation.tell(facts.ReplyAudioAdded("resp_1", "item_a", 0, b"\x01\x02"))
        while not isinstance(message := await socket.receive_from(), bytes):
            pass

    header, payload = binary.unpack(message)
    assert payload == b"\x01\x02"
    assert header["type"] == "response.output_audio.delta"
    assert header["event_id"].startswith("evt_e1_")
    assert "delta" not in header


async def test_nova_binary_takes_sound_and_pictures_as_raw_bytes(conversation: ScriptedConversation) -> None:
    frame = {"type": "input_video_buffer.append", "source": "camera", "captured_at_ms": 9}
    async with connected(subprotocols=["nova.binary"]) as socket:
        await socket.send_to(bytes_data=binary.pack({"type": "input_audio_buffer.append"}, b"\x05\x06"))
        await socket.send_to(bytes_data=binary.pack(frame, b"\xff\xd8\xff\xe0"))
        assert await is_still_open(socket, conversation)

    assert conversation.calls == [("hear", b"\x05\x06"), ("see", b"\xff\xd8\xff\xe0", "camera", 9, None)]


async def test_half_a_sample_in_a_binary_message_names_its_event(conversation: ScriptedConversation) -> None:
    async with connected(subprotocols=["nova.binary"]) as socket:
        message = binary.pack({"type": "input_audio_buffer.append", "event_id": "b1"}, b"\x05")
        await socket.send_to(bytes_data=message)
        error = (await received(socket, "error"))["error"]

    assert (error["code"], error["event_id"], error["retriable"]) == ("audio_odd_length", "b1", False)


async def test_nova_json_is_told_nova_events_at_once(conversation: ScriptedConversation) -> None:
    async with connected(subprotocols=["nova.json"]) as socket:
        session = await received(socket, "nova.session")
        vision = await received(socket, "nova.vision")

    assert (session["session_id"], session["channel_name"], session["is_started"]) == (
        "sess_0123",
        "room",
        True,
    )
    assert vision["interval_ms"] == 500


async def test_a_standard_client_may_ask_for_nova_events_later(conversation: ScriptedConversation) -> None:
    async with connected() as socket:
        await socket.send_json_to({"type": "session.update", "session": {"nova": {}}})
        await received(socket, "nova.session")
        conversation.tell(facts.StateChanged(True, False, False))

        state = await received(socket, "nova.state")

    assert (state["listening"], state["thinking"], state["speaking"]) == (True, False, False)


async def test_a_fact_that_cannot_be_told_is_logged_and_the_next_one_is_told(
    conversation: ScriptedConversation,
) -> None:
    untellable = facts.TurnMeasured("resp_1", {"delay": object()})  # type: ignore[dict-item]

    with capture_logs() as logs:
        async with connected(subprotocols=["nova.json"]) as socket:
            conversation.tell(untellable, facts.InputCleared())
            await received(socket, "input_audio_buffer.cleared")

    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["fact_not_told"]
