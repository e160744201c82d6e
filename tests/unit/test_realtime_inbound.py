"""Client events to calls of the live session: what is asked for, and what is refused by its dotted name."""

import base64
import json
from typing import Any

import pytest

from sessions.live.config import ToolChoice, TurnSettings
from sessions.live.items import Content, FunctionOutputItem, MessageItem
from sessions.live.transport import ConfigChanges, ReplyOptions
from sessions.realtime.client_events import parse_text
from sessions.realtime.inbound import Inbound
from sessions.realtime.outbound import Outbound
from tests.unit.realtime_double import ScriptedConversation
from workers.errors import BadInputError

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 16
JPEG = b"\xff\xd8\xff\xe0" + b"\x00" * 16
WEBP = b"RIFF\x00\x00\x00\x00WEBPVP8 "
USER = MessageItem("item_u", "user", (Content("input_text", "hi"),))


class Door:
    def __init__(self, **config: Any) -> None:
        self.events: list[dict[str, Any]] = []
        self.conversation = ScriptedConversation(**config)
        self.outbound = Outbound(self.conversation, self._emit, speaks_nova=False)
        self._inbound = Inbound(self.conversation, self.outbound)

    def _emit(self, event: dict[str, Any], payload: bytes | None = None) -> None:
        self.events.append(event)

    def take(self, event_type: str, **fields: Any) -> list[tuple[Any, ...]]:
        self._inbound.take(parse_text(json.dumps({"type": event_type, "event_id": "e", **fields})))
        return self.conversation.calls

    def refused(self, event_type: str, **fields: Any) -> tuple[str, str | None]:
        with pytest.raises(BadInputError) as caught:
            self.take(event_type, **fields)
        assert self.conversation.calls == []
        return caught.value.code, caught.value.field

    def changes(self, **session: Any) -> ConfigChanges:
        changes = self.take("session.update", session=session)[-1][1]
        assert isinstance(changes, ConfigChanges)
        return changes

    def options(self, **response: Any) -> ReplyOptions:
        options = self.take("response.create", response=response)[-1][1]
        assert isinstance(options, ReplyOptions)
        return options


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def data_uri(data: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{b64(data)}"


def message(role: str, *content: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": list(content), **more}


def test_pcm_is_heard_unchanged() -> None:
    assert Door().take("input_audio_buffer.append", audio=b64(b"\x01\x02\x03\x04")) == [("hear", b"\x01\x02\x03\x04")]


def test_half_a_sample_is_refused_and_nothing_of_it_is_heard() -> None:
    assert Door().refused("input_audio_buffer.append", audio=b64(b"abc")) == ("audio_odd_length", "audio")


def test_telephone_audio_is_handed_on_as_it_came_whatever_its_length() -> None:
    door = Door(input_format="audio/pcmu", input_rate_hz=8_000)

    assert door.take("input_audio_buffer.append", audio=b64(b"\xff\xfe\xfd")) == [("hear", b"\xff\xfe\xfd")]


def test_an_empty_append_is_nothing() -> None:
    assert Door().take("input_audio_buffer.append", audio="") == []


@pytest.mark.parametrize(
    ("event_type", "fields", "call"),
    [
        ("input_audio_buffer.commit", {}, ("commit_input", "e")),
        ("input_audio_buffer.clear", {}, ("clear_input",)),
        (
            "output_audio_buffer.progress",
            {"item_id": "i", "content_index": 0, "audio_end_ms": 240},
            ("report_progress", "i", 240),
        ),
        ("conversation.item.delete", {"item_id": "i"}, ("delete_item", "i")),
        (
            "conversation.item.truncate",
            {"item_id": "i", "content_index": 0, "audio_end_ms": 1500},
            ("truncate_item", "i", 0, 1500),
        ),
        ("response.cancel", {"response_id": "r"}, ("cancel_reply", "r", "e")),
        ("response.cancel", {}, ("cancel_reply", None, "e")),
        ("output_audio_buffer.clear", {}, ("cancel_reply", None, "e")),
        ("response.create", {}, ("create_reply", ReplyOptions(), "e")),
    ],
)
def test_simple_events_become_one_call(event_type: str, fields: dict[str, Any], call: tuple[Any, ...]) -> None:
    assert Door().take(event_type, **fields) == [call]


@pytest.mark.parametrize("picture", [PNG, JPEG, WEBP])
def test_a_picture_is_shown_undecoded(picture: bytes) -> None:
    calls = Door().take("input_video_buffer.append", image=b64(picture), source="screen", captured_at_ms=77)

    assert calls == [("see", picture, "screen", 77, "e")]


def test_a_picture_without_a_time_is_taken_as_of_now() -> None:
    assert Door().take("input_video_buffer.append", image=b64(PNG))[0][3] > 1_700_000_000_000


@pytest.mark.parametrize("data", [b"", b"hello", b"<svg/>", b"GIF89a", b"%PDF-1.7", b"II*\x00", b"RIFF    WAVE"])
def test_bytes_that_are_no_picture_are_refused(data: bytes) -> None:
    assert Door().refused("input_video_buffer.append", image=b64(data)) == ("image_rejected", "image")


def test_clearing_playback_when_nothing_plays_is_no_error() -> None:
    door = Door()
    door.conversation.refusals["cancel_reply"] = BadInputError("none", code="response_cancel_not_active")

    door.take("output_audio_buffer.clear")

    assert door.outbound.hears_clears


def test_typed_text_becomes_an_item_with_the_clients_id() -> None:
    item = message("user", {"type": "input_text", "text": "hi"}, id="mine")

    calls = Door().take("conversation.item.create", item=item, previous_item_id="root")

    made = MessageItem("mine", "user", (Content("input_text", "hi"),))
    assert calls == [("add_item", made, "root", (), "e")]


def test_an_item_without_an_id_is_given_a_fresh_one() -> None:
    door = Door()
    for _ in range(2):
        door.take("conversation.item.create", item=message("system", {"type": "input_text", "text": "x"}))

    first, second = (call[1].item_id for call in door.conversation.calls)
    assert first.startswith("item_")
    assert first != second


def test_a_picture_in_an_item_travels_as_bytes_in_its_place() -> None:
    pictures = ({"type": "input_image", "image_url": data_uri(data), "detail": "low"} for data in (PNG, PNG + b"2"))
    item = message("user", {"type": "input_text", "text": "what is this?"}, *pictures)

    call = Door().take("conversation.item.create", item=item)[0]

    assert [content.kind for content in call[1].content] == ["input_text", "input_image", "input_image"]
    assert call[3] == (PNG, PNG + b"2")


def test_the_result_of_a_function_becomes_an_item() -> None:
    output = {"type": "function_call_output", "call_id": "call_1", "output": "12:00", "id": "o"}

    assert Door().take("conversation.item.create", item=output)[0][1] == FunctionOutputItem("o", "call_1", "12:00")


@pytest.mark.parametrize("kind", ["output_audio", "audio"])
def test_an_agents_spoken_words_are_taken_from_their_transcript(kind: str) -> None:
    item = message("assistant", {"type": kind, "transcript": "I said"})

    content = Door().take("conversation.item.create", item=item)[0][1].content
    assert content == (Content("output_audio", "I said"),)


def shown(image_url: str) -> dict[str, Any]:
    return message("user", {"type": "input_image", "image_url": image_url})


@pytest.mark.parametrize(
    ("item", "code", "field"),
    [
        (message("user"), "invalid_value", "item.content"),
        (message("user", {"type": "output_text", "text": "x"}), "invalid_value", "item.content[0].type"),
        (message("system", {"type": "input_image"}), "invalid_value", "item.content[0].type"),
        (message("user", {"type": "input_text"}), "missing_required_parameter", "item.content[0].text"),
        (message("user", {"type": "input_audio"}), "unsupported_content", "item.content[0].transcript"),
        (shown(""), "invalid_image_url", "item.content[0].image_url"),
        (shown("http://169.254.169.254/a.png"), "invalid_image_url", "item.content[0].image_url"),
        (shown(data_uri(PNG, "svg+xml")), "invalid_image_url", "item.content[0].image_url"),
        (shown("data:image/png;base64,@@"), "invalid_base64", "item.content[0].image_url"),
        (shown(data_uri(b"text")), "image_rejected", "item.content[0].image_url"),
    ],
)
def test_an_item_that_cannot_be_taken_is_refused_by_name(item: dict[str, Any], code: str, field: str) -> None:
    assert Door().refused("conversation.item.create", item=item) == (code, field)


def test_an_item_id_that_exists_is_refused() -> None:
    door = Door()
    door.conversation.items["item_u"] = USER
    item = message("user", {"type": "input_text", "text": "again"}, id="item_u")

    assert door.refused("conversation.item.create", item=item) == (
        "item_create_duplicate_item_id",
        "item.id",
    )


def test_an_item_is_retrieved_or_refused() -> None:
    door = Door()
    door.conversation.items["item_u"] = USER

    door.take("conversation.item.retrieve", item_id="item_u")

    assert door.events[0]["item"]["content"] == [{"type": "input_text", "text": "hi"}]
    assert door.refused("conversation.item.retrieve", item_id="x")[0] == "item_retrieve_invalid_item_id"


def test_an_update_changes_only_what_it_names() -> None:
    assert Door().changes(instructions="Sing.") == ConfigChanges(instructions="Sing.")


def test_an_update_carries_formats_voice_language_and_tools() -> None:
    changes = Door().changes(
        model="any",
        output_modalities=["text"],
        tools=[{"type": "function", "name": "open_door"}],
        audio={
            "input": {"format": {"type": "audio/pcm", "rate": 16_000}, "transcription": {"language": "zh"}},
            "output": {"format": {"type": "audio/pcma"}, "voice": {"id": "marin"}},
        },
    )

    assert (changes.input_format, changes.input_rate_hz) == ("audio/pcm", 16_000)
    assert (changes.output_format, changes.output_rate_hz) == ("audio/pcma", 8_000)
    assert (changes.language, changes.voice, changes.model) == ("zh-CN", "marin", "any")
    assert changes.output_modality == "text"
    assert changes.tools is not None
    assert (changes.tools[0].name, changes.tools[0].runs_at) == ("open_door", "client")


@pytest.mark.parametrize(("name", "tag"), [("en", "en-US"), ("en-GB", "en-GB"), ("EN-gb", "en-GB"), ("ZH", "zh-CN")])
def test_a_language_gets_its_place(name: str, tag: str) -> None:
    assert Door().changes(audio={"input": {"transcription": {"language": name}}}).language == tag


@pytest.mark.parametrize("name", ["klingon!", "xx", "e", "en_US"])
def test_what_is_no_language_is_refused(name: str) -> None:
    audio = {"input": {"transcription": {"language": name}}}

    code, field = Door().refused("session.update", session={"audio": audio})
    assert (code, field) == ("invalid_value", "session.audio.input.transcription.language")


def _turns(wanted: Any, **now: Any) -> TurnSettings:
    turns = Door(turns=TurnSettings(**now)).changes(audio={"input": {"turn_detection": wanted}}).turns
    assert turns is not None
    return turns


def test_null_turn_detection_is_push_to_talk() -> None:
    assert _turns(None).mode == "manual"


def test_turn_detection_keeps_what_it_does_not_name() -> None:
    turns = _turns(
        {"type": "server_vad", "silence_duration_ms": 900, "threshold": None, "create_response": False},
        mode="manual",
        voice_threshold=0.7,
        prefix_padding_ms=123,
    )

    assert turns == TurnSettings(
        end_silence_ms=900,
        final_silence_ms=900,
        slow_end_silence_ms=0,
        voice_threshold=0.7,
        prefix_padding_ms=123,
        creates_reply=False,
    )


def test_a_silence_longer_than_the_longest_moves_that_too() -> None:
    assert _turns({"type": "server_vad", "silence_duration_ms": 6_000}).long_end_silence_ms == 6_000


def test_an_idle_timeout_is_set_kept_and_taken_back() -> None:
    asked = _turns({"type": "server_vad", "idle_timeout_ms": 6_000})
    assert asked.idle_timeout_ms == 6_000
    assert _turns({"type": "server_vad"}, idle_timeout_ms=6_000).idle_timeout_ms == 6_000
    assert _turns({"type": "server_vad", "idle_timeout_ms": None}, idle_timeout_ms=6_000).idle_timeout_ms is None


@pytest.mark.parametrize(
    ("wanted", "silences_ms"),
    [
        ({"eagerness": "low"}, (8_000, 800, 500)),
        ({"eagerness": "high"}, (2_000, 300, 200)),
        ({"eagerness": "auto"}, (4_000, 500, 300)),
        ({}, (4_000, 500, 300)),
    ],
)
def test_eagerness_moves_every_silence_and_is_auto_when_it_is_not_named(
    wanted: dict[str, str], silences_ms: tuple[int, int, int]
) -> None:
    turns = _turns({"type": "semantic_vad", **wanted}, slow_end_silence_ms=0)

    assert (turns.long_end_silence_ms, turns.end_silence_ms, turns.final_silence_ms) == silences_ms
    assert turns.slow_end_silence_ms == 1_200


def test_eagerness_stays_when_an_update_of_semantic_detection_does_not_name_it() -> None:
    turns = _turns({"type": "semantic_vad"}, mode="semantic_vad", long_end_silence_ms=8_000)

    assert turns.long_end_silence_ms == 8_000


@pytest.mark.parametrize(("eagerness", "silence_ms"), [("low", 8_000), ("auto", 4_000), ("high", 2_000)])
def test_eagerness_is_the_longest_silence(eagerness: str, silence_ms: int) -> None:
    turns = _turns({"type": "semantic_vad", "eagerness": eagerness, "interrupt_response": False})

    assert (turns.mode, turns.long_end_silence_ms, turns.interrupts_reply) == (
        "semantic_vad",
        silence_ms,
        False,
    )


@pytest.mark.parametrize("fields", [{"nova": {}, "session": {}}, {"session": {"nova": {"events": True}}}])
def test_a_nova_object_asks_for_nova_events_from_that_update_on(fields: dict[str, Any]) -> None:
    door = Door()

    door.take("session.update", **fields)

    assert door.outbound.speaks_nova


def test_null_for_nova_asks_for_nothing() -> None:
    door = Door()

    door.take("session.update", nova=None, session={"nova": None})

    assert not door.outbound.speaks_nova


def test_a_reply_may_differ_in_everything_it_names() -> None:
    options = Door().options(
        instructions="Whisper.",
        output_modalities=["text"],
        max_output_tokens=99,
        metadata={"client_event_id": "x"},
        conversation="none",
        tool_choice="none",
        input=[message("user", {"type": "input_text", "text": "q"}, id="q")],
    )

    assert options.instructions == "Whisper."
    assert (options.output_modality, options.max_output_tokens) == ("text", 99)
    assert (options.metadata, options.is_out_of_band) == ({"client_event_id": "x"}, True)
    assert (options.tools, options.tool_choice) == (None, ToolChoice("none"))
    assert options.input_items == (MessageItem("q", "user", (Content("input_text", "q"),)),)


def test_a_reply_may_refer_to_an_item_of_the_conversation() -> None:
    door = Door()
    door.conversation.items["item_u"] = USER

    assert door.options(input=[{"type": "item_reference", "id": "item_u"}]).input_items == (USER,)


def test_a_reply_that_refers_to_no_item_is_refused() -> None:
    refused = Door().refused("response.create", response={"input": [{"type": "item_reference", "id": "x"}]})

    assert refused == ("invalid_value", "response.input[0].id")


def test_unlimited_tokens_leave_the_limit_as_it_is() -> None:
    assert Door().options(max_output_tokens="inf").max_output_tokens is None


def test_a_result_in_a_replys_input_needs_its_call_before_it() -> None:
    call = {"type": "function_call", "call_id": "call_1", "name": "open_door", "arguments": "{}"}
    result = {"type": "function_call_output", "call_id": "call_1", "output": "open"}

    assert len(Door().options(input=[call, result]).input_items or ()) == 2
    refused = Door().refused("response.create", response={"input": [result, call]})
    assert refused == ("invalid_tool_call_id", "response.input[0].call_id")
