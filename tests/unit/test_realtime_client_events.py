"""What a client may send: every event, the tolerance real clients need, a named refusal of what is wrong."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessions.realtime import binary, limits
from sessions.realtime.client_events import (
    CLIENT_EVENTS,
    ClientEventError,
    InputAudioBufferAppend,
    InputVideoBufferAppend,
    SessionUpdate,
    parse_binary,
    parse_text,
)
from sessions.session_fields import dotted_name

AUDIO = base64.b64encode(b"\x01\x02\x03\x04").decode()
MESSAGE = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}
EVENTS: list[dict[str, Any]] = [
    {"type": "session.update", "session": {"type": "realtime"}},
    {"type": "input_audio_buffer.append", "audio": AUDIO},
    {"type": "input_audio_buffer.commit"},
    {"type": "input_audio_buffer.clear"},
    {"type": "input_video_buffer.append", "image": AUDIO, "source": "screen", "captured_at_ms": 5},
    {"type": "output_audio_buffer.progress", "item_id": "i", "content_index": 0, "audio_end_ms": 40},
    {"type": "output_audio_buffer.clear"},
    {"type": "conversation.item.create", "item": MESSAGE, "previous_item_id": None},
    {"type": "conversation.item.retrieve", "item_id": "i"},
    {"type": "conversation.item.truncate", "item_id": "i", "content_index": 0, "audio_end_ms": 40},
    {"type": "conversation.item.delete", "item_id": "i"},
    {"type": "response.create"},
    {"type": "response.cancel"},
]


def update(**fields: Any) -> SessionUpdate:
    event = parse_text(json.dumps({"type": "session.update", "session": fields}))
    assert isinstance(event, SessionUpdate)
    return event


def refusal(fields: dict[str, Any] | str) -> ClientEventError:
    with pytest.raises(ClientEventError) as caught:
        parse_text(fields if isinstance(fields, str) else json.dumps(fields))
    return caught.value


@pytest.mark.parametrize("fields", EVENTS, ids=lambda fields: fields["type"])
def test_every_event_parses_to_its_own_model_with_its_event_id(fields: dict[str, Any]) -> None:
    event = parse_text(json.dumps({**fields, "event_id": "event_7", "unknown_field": {"deep": 1}}))

    assert type(event) is CLIENT_EVENTS[fields["type"]]
    assert event.event_id == "event_7"


def test_the_list_of_events_above_is_complete() -> None:
    assert {fields["type"] for fields in EVENTS} == set(CLIENT_EVENTS)


@pytest.mark.parametrize("fields", EVENTS, ids=lambda fields: fields["type"])
def test_null_is_the_same_as_absent_for_every_optional_field(fields: dict[str, Any]) -> None:
    model = CLIENT_EVENTS[fields["type"]]
    nulls = {
        name: None
        for name, field in model.model_fields.items()
        if not field.is_required() and name not in ("source", "content_index")
    }

    assert type(parse_text(json.dumps({**nulls, **fields}))) is model


@pytest.mark.parametrize(
    "wanted",
    [
        {"voice": "marin", "tracing": None, "max_output_tokens": "inf", "model": "gpt-realtime-9"},
        {"tracing": "auto", "tool_choice": "auto", "tools": [], "include": None, "truncation": {"a": 1}},
        {"audio": {"output": {"voice": {"id": "custom"}, "speed": 1.0}}},
        {"audio": {"input": {"noise_reduction": {"type": "near_field"}, "transcription": None}}},
        {"audio": {"input": {"turn_detection": {"type": "semantic_vad", "eagerness": "auto"}}}},
        {"audio": {"input": {"turn_detection": {"type": "server_vad", "silence_duration_ms": None}}}},
        {"audio": {"input": None, "output": None}, "prompt": None, "output_modalities": ["text", "audio"]},
    ],
)
def test_what_real_clients_send_in_session_update_is_accepted(wanted: dict[str, Any]) -> None:
    assert update(**wanted).session is not None


@pytest.mark.parametrize(
    ("wanted", "name", "rate_hz"),
    [
        ({"type": "audio/pcm", "rate": 24000}, "audio/pcm", 24_000),
        ({"type": "audio/pcm", "rate": None}, "audio/pcm", 24_000),
        ({"rate": 8000}, "audio/pcm", 8_000),
        ({"type": "audio/pcm", "rate": 48000}, "audio/pcm", 48_000),
        ({"type": "audio/pcmu"}, "audio/pcmu", 8_000),
        ({"type": "audio/pcma", "rate": 8000}, "audio/pcma", 8_000),
        ("pcm16", "audio/pcm", 24_000),
        ("g711_ulaw", "audio/pcmu", 8_000),
        ("audio/pcma", "audio/pcma", 8_000),
    ],
)
def test_both_shapes_of_an_audio_format_are_read(wanted: Any, name: str, rate_hz: int) -> None:
    audio = update(audio={"input": {"format": wanted}}).session.audio

    assert audio is not None
    assert audio.input is not None
    assert audio.input.format is not None
    assert (audio.input.format.name, audio.input.format.rate_hz) == (name, rate_hz)


def test_null_turn_detection_differs_from_absent_turn_detection() -> None:
    off = update(audio={"input": {"turn_detection": None}}).session.audio
    absent = update(audio={"input": {}}).session.audio

    assert off is not None
    assert absent is not None
    assert off.input is not None
    assert absent.input is not None
    assert "turn_detection" in off.input.model_fields_set
    assert "turn_detection" not in absent.input.model_fields_set


def session(**fields: Any) -> dict[str, Any]:
    return {"type": "session.update", "session": fields}


def listening(**fields: Any) -> dict[str, Any]:
    return session(audio={"input": fields})


def item(**fields: Any) -> dict[str, Any]:
    return {"type": "conversation.item.create", "item": fields}


def response(**fields: Any) -> dict[str, Any]:
    return {"type": "response.create", "response": fields}


def truncate(audio_end_ms: Any, content_index: Any = 0) -> dict[str, Any]:
    place = {"item_id": "i", "content_index": content_index}
    return {"type": "conversation.item.truncate", **place, "audio_end_ms": audio_end_ms}


def append(**fields: Any) -> dict[str, Any]:
    return {"type": "input_audio_buffer.append", **fields}


WRONG_VALUES: dict[str, list[tuple[dict[str, Any], str]]] = {
    "missing_required_parameter": [
        ({}, "type"),
        ({"type": "session.update"}, "session"),
        (append(), "audio"),
        (item(), "item.type"),
        (item(type="function_call_output", call_id="c"), "item.output"),
        (response(input=[{"type": "item_reference"}]), "response.input[0].id"),
    ],
    "invalid_type": [
        ({"type": "session.update", "session": []}, "session"),
        (session(max_output_tokens=True), "session.max_output_tokens"),
        (session(audio={"output": {"voice": 5}}), "session.audio.output.voice"),
        (append(audio=5), "audio"),
        (append(audio=None), "audio"),
        (truncate(True), "audio_end_ms"),
        (truncate("5"), "audio_end_ms"),
        (response(metadata={"a": 5}), "response.metadata.a"),
        (response(max_output_tokens="many"), "response.max_output_tokens"),
    ],
    "invalid_base64": [(append(audio="not base64!"), "audio"), (append(audio="é"), "audio")],
    "invalid_value": [
        ({"type": "no.such.event"}, "type"),
        ({"type": 5}, "type"),
        (session(type="transcription"), "session.type"),
        (session(max_output_tokens=0), "session.max_output_tokens"),
        (session(tools=[{"type": "mcp", "name": "x"}]), "session.tools[0].type"),
        (session(tools=[{"name": "two words"}]), "session.tools[0].name"),
        (session(output_modalities=["smell"]), "session.output_modalities[0]"),
        (session(output_modalities=[]), "session.output_modalities"),
        (listening(format={"rate": 7999}), "session.audio.input.format.rate"),
        (listening(format={"rate": 48001}), "session.audio.input.format.rate"),
        (listening(format="mp3"), "session.audio.input.format.type"),
        (listening(turn_detection={"threshold": 2}), "session.audio.input.turn_detection.threshold"),
        (listening(turn_detection={"type": "psychic"}), "session.audio.input.turn_detection.type"),
        ({"type": "input_video_buffer.append", "image": AUDIO, "source": "ceiling"}, "source"),
        (truncate(-1), "audio_end_ms"),
        (truncate(5, content_index=1), "content_index"),
        (truncate(5, content_index=-1), "content_index"),
        (session(tools=[{"name": "x"}, {"name": "y"}, {"name": "x"}]), "session.tools"),
        (response(tools=[{"name": "x"}, {"name": "x"}]), "response.tools"),
        (item(type="song"), "item.type"),
        (item(type="message", role="user", content=[{"type": "smell"}]), "item.content[0].type"),
    ],
}


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [(fields, code, field) for code, cases in WRONG_VALUES.items() for fields, field in cases],
)
def test_a_wrong_value_is_refused_with_its_dotted_name(fields: dict[str, Any], code: str, field: str) -> None:
    error = refusal({**fields, "event_id": "event_9"})

    assert (error.code, error.field, error.event_id) == (code, field, "event_9")


def test_an_event_id_that_is_no_text_is_refused_by_name() -> None:
    assert refusal({"type": "response.cancel", "event_id": 5}).field == "event_id"


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "5", "null", '{"a": NaN}', '"\\ud800"', "[" * 10_000, "1" * 5_000, "\x00", "\ud800"],
    ids=["empty", "cut", "list", "number", "null", "nan", "surrogate", "nested", "huge", "zero", "lone"],
)
def test_a_message_that_is_no_json_object_is_refused(text: str) -> None:
    assert refusal(text).code == "invalid_json"


def test_a_fraction_of_a_millisecond_is_dropped() -> None:
    event = parse_text('{"type":"output_audio_buffer.progress","item_id":"i","content_index":0,"audio_end_ms":15.9}')

    assert getattr(event, "audio_end_ms", None) == 15


def test_a_refusal_never_repeats_more_than_a_line_of_what_was_sent() -> None:
    long_tag = {"type": "conversation.item.create", "item": {"type": "x" * 100_000}}

    assert len(refusal({"type": "y" * 100_000}).text) < 1_000
    assert len(refusal(long_tag).text) < 1_000


@pytest.mark.parametrize(
    ("event_type", "filler", "limit_bytes"),
    [
        ("response.cancel", "x", limits.CONTROL_LIMIT_BYTES),
        ("session.update", "session", limits.SESSION_UPDATE_LIMIT_BYTES),
        ("conversation.item.create", "x", limits.MESSAGE_LIMIT_BYTES),
    ],
)
def test_each_event_has_its_size(event_type: str, filler: str, limit_bytes: int) -> None:
    error = refusal({"type": event_type, filler: "a" * limit_bytes})

    assert error.code == "message_too_large"


def test_a_session_update_of_200_kib_is_accepted() -> None:
    assert update(instructions="a" * 200 * 1024).session.instructions


def test_a_binary_append_carries_its_bytes_as_they_are() -> None:
    message = binary.pack({"type": "input_audio_buffer.append", "event_id": "e"}, b"\x00\xff\x10")

    event = parse_binary(message)

    assert isinstance(event, InputAudioBufferAppend)
    assert (event.audio, event.event_id) == (b"\x00\xff\x10", "e")


def test_a_binary_frame_keeps_its_header_fields() -> None:
    header = {"type": "input_video_buffer.append", "source": "camera", "captured_at_ms": 12}

    event = parse_binary(binary.pack(header, b"\xff\xd8\xff"))

    assert isinstance(event, InputVideoBufferAppend)
    assert (event.image, event.source, event.captured_at_ms) == (b"\xff\xd8\xff", "camera", 12)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"", "invalid_frame"),
        (b"\x00", "invalid_frame"),
        (b"\x00\x10{}", "invalid_frame"),
        (b"\x00\x02[]", "invalid_json"),
        (b"\x00\x02\xff\xfe", "invalid_json"),
        (binary.pack({"type": "response.cancel"}, b""), "invalid_frame"),
        (binary.pack({"type": "response.output_audio.delta"}, b"ab"), "invalid_frame"),
        (binary.pack({"type": ["x"]}, b"ab"), "invalid_frame"),
        (b"\x00" * (limits.MESSAGE_LIMIT_BYTES + 1), "message_too_large"),
    ],
)
def test_a_binary_message_that_is_no_event_is_refused(message: bytes, code: str) -> None:
    with pytest.raises(ClientEventError) as caught:
        parse_binary(message)

    assert caught.value.code == code


@given(header=st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=4), payload=st.binary())
@settings(max_examples=100, deadline=None)
def test_binary_framing_gives_back_what_went_in(header: dict[str, str], payload: bytes) -> None:
    assert binary.unpack(binary.pack(header, payload)) == (header, payload)


def test_dotted_names_leave_out_the_names_of_union_branches() -> None:
    assert dotted_name(("response", "input", 0, "message", "content", 1, "text")) == (
        "response.input[0].content[1].text"
    )
