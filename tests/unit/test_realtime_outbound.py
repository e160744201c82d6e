"""Facts to events: every standard event holds before the official models, and every sequence is whole."""

from dataclasses import replace
from typing import Any, get_args

import pytest

from sessions.live import facts
from sessions.live.config import TurnSettings
from sessions.live.items import Content, FunctionCallItem, FunctionOutputItem, MessageItem
from sessions.realtime.outbound import Outbound
from sessions.realtime.server_events import SERVER_EVENTS
from tests.unit.realtime_double import ScriptedConversation, session_config
from tests.unit.realtime_judge import MODELS, judge
from workers.language_model.contract import ToolSpec

USER = MessageItem("item_u", "user", (Content("input_text", "hi"),))
SPOKEN = MessageItem("item_a", "assistant", (Content("output_audio", "Hello there."),))
STARTED = replace(SPOKEN, content=(), status="in_progress")
CALL = FunctionCallItem("item_c", "call_1", "get_time", '{"zone":"UTC"}')
USAGE = facts.TokenUsage(12, 7)
Events = list[dict[str, Any]]


def telling(speaks_nova: bool = False, **config: Any) -> tuple[Outbound, Events, list[bytes]]:
    events: Events = []
    payloads: list[bytes] = []

    def emit(event: dict[str, Any], payload: bytes | None = None) -> None:
        if payload is not None:
            payloads.append(payload)
            event = {**event, "delta": "AAAA"}
        events.append({**event, "event_id": f"evt_e1_{len(events) + 1}"})

    return Outbound(ScriptedConversation(**config), emit, speaks_nova=speaks_nova), events, payloads


def told(*happened: facts.Fact, speaks_nova: bool = False, **config: Any) -> Events:
    outbound, events, _ = telling(speaks_nova, **config)
    for fact in happened:
        outbound.tell(fact)
    return events


def types(events: Events) -> list[str]:
    return [event["type"] for event in events]


SPOKEN_REPLY: tuple[facts.Fact, ...] = (
    facts.ReplyStarted("resp_1", {"client_event_id": "x"}),
    facts.ReplyItemStarted("resp_1", 0, STARTED, "item_u"),
    facts.ReplyTextAdded("resp_1", "item_a", 0, "Hello "),
    facts.ReplyAudioAdded("resp_1", "item_a", 0, b"\x00\x01"),
    facts.ReplyTextAdded("resp_1", "item_a", 0, "there."),
    facts.ReplyItemFinished("resp_1", 0, SPOKEN),
    facts.ReplyEnded("resp_1", "completed", (SPOKEN,), usage=USAGE),
)
CALLING_REPLY: tuple[facts.Fact, ...] = (
    facts.ReplyStarted("resp_2"),
    facts.ReplyItemStarted("resp_2", 0, CALL, "item_u"),
    facts.ReplyItemFinished("resp_2", 0, CALL),
    facts.ReplyEnded("resp_2", "completed", (CALL,)),
)
WRITTEN_REPLY: tuple[facts.Fact, ...] = (
    facts.ReplyStarted("resp_3"),
    facts.ReplyItemStarted("resp_3", 0, STARTED, None, is_audio=False),
    facts.ReplyTextAdded("resp_3", "item_a", 0, "Hi.", is_audio=False),
    facts.ReplyItemFinished("resp_3", 0, replace(SPOKEN, content=(Content("output_text", "Hi."),)), is_audio=False),
    facts.ReplyEnded("resp_3", "incomplete", (), reason="max_output_tokens"),
)
BEYOND_THE_STANDARD = ("nova.", "server.")
OTHERS: tuple[facts.Fact, ...] = (
    facts.ConfigChanged(session_config()),
    facts.UserSpeechStarted("item_u", 120),
    facts.UserSpeechStopped("item_u", 900),
    facts.UserWordsChanged("item_u", "hi there", delta="there"),
    facts.InputCommitted("item_u", None),
    facts.InputCleared(),
    facts.UserTurnTranscribed("item_u", "hi there", 1.5),
    facts.ItemAdded(USER, None),
    facts.ItemFinished(FunctionOutputItem("item_o", "call_1", "12:00"), "item_u"),
    facts.ItemDeleted("item_u"),
    facts.ItemTruncated("item_a", 0, 640),
    facts.InputTimedOut("item_u", 0, 6_000),
    facts.PlaybackHeld("resp_1", "item_a", True),
    facts.PlaybackFlushed("resp_1", "item_a", 640, "turn_detected"),
    facts.StateChanged(True, False, False),
    facts.TurnMeasured("resp_1", {"first_audio": 312.5}, facts.TurnUsage(input_tokens=812)),
    facts.VisionChanged(
        500, (("camera", 500),), "full", "resp_1", (facts.FrameTold(17, "camera", "picture", "newest"),), 862, 0.0007
    ),
    facts.AlertRaised("alert_1", "Smoke.", "Is there smoke?", "camera", 17),
    facts.Noticed("voice_fallback", "Another engine speaks."),
    facts.FaultHappened("provider_throttled", "Too often.", True, "event_1", "audio", True),
    facts.TalkResumed(False, "trimmed", (USER,), 3),
    facts.ServerDraining(25_000),
)


def everything(speaks_nova: bool) -> Events:
    outbound, events, _ = telling(speaks_nova)
    outbound.hears_clears = True
    outbound.greet()
    outbound.retrieved(USER)
    for fact in (*SPOKEN_REPLY, *CALLING_REPLY, *WRITTEN_REPLY, *OTHERS):
        outbound.tell(fact)
    return events


def test_every_standard_event_that_is_sent_holds_before_the_official_models() -> None:
    events = everything(speaks_nova=False)

    for event in events:
        judge(event)
    standard = {name for name in SERVER_EVENTS if not name.startswith(BEYOND_THE_STANDARD)}
    assert set(types(events)) == standard
    assert standard <= set(MODELS)


def test_a_client_that_asked_gets_every_nova_event_and_the_others_none() -> None:
    assert set(types(everything(speaks_nova=True))) == set(SERVER_EVENTS)
    assert not [name for name in types(everything(speaks_nova=False)) if name.startswith(BEYOND_THE_STANDARD)]


def test_every_kind_of_fact_is_told() -> None:
    happened = {type(fact) for fact in (*SPOKEN_REPLY, *OTHERS)}

    assert happened == set(get_args(facts.Fact))


def test_a_spoken_reply_is_the_whole_sequence_in_order() -> None:
    assert types(told(*SPOKEN_REPLY)) == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_audio_transcript.delta",
        "response.output_audio.delta",
        "response.output_audio_transcript.delta",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
    ]


def test_a_written_reply_sends_text_and_no_audio_events() -> None:
    assert types(told(*WRITTEN_REPLY))[3:7] == [
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
    ]


def test_a_function_call_tells_its_arguments_whole_and_has_no_content_part() -> None:
    events = told(*CALLING_REPLY)

    assert types(events) == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
    ]
    assert (events[1]["item"]["arguments"], events[4]["arguments"]) == ("", CALL.arguments)
    assert (events[4]["name"], events[4]["call_id"]) == ("get_time", "call_1")


@pytest.mark.parametrize("reply", [SPOKEN_REPLY, CALLING_REPLY, WRITTEN_REPLY])
def test_an_out_of_band_reply_sends_no_events_of_the_conversations_items(reply: tuple[facts.Fact, ...]) -> None:
    started = reply[0]
    assert isinstance(started, facts.ReplyStarted)

    apart = types(told(replace(started, is_out_of_band=True), *reply[1:]))

    assert apart == [name for name in types(told(*reply)) if not name.startswith("conversation.item.")]


def test_an_out_of_band_reply_belongs_to_no_conversation() -> None:
    started = facts.ReplyStarted("resp_1", is_out_of_band=True)

    apart = told(started, *SPOKEN_REPLY[1:])

    assert [apart[0]["response"]["conversation_id"], apart[-1]["response"]["conversation_id"]] == [None, None]
    assert told(*SPOKEN_REPLY)[0]["response"]["conversation_id"] == "conv_0123"


def test_response_done_carries_metadata_usage_and_the_items() -> None:
    response = told(*SPOKEN_REPLY)[-1]["response"]

    assert response["metadata"] == {"client_event_id": "x"}
    assert (response["usage"]["input_tokens"], response["usage"]["total_tokens"]) == (12, 19)
    assert response["output"][0]["content"] == [{"type": "output_audio", "transcript": "Hello there."}]


def test_an_item_that_was_never_finished_is_closed_before_response_done() -> None:
    events = told(*SPOKEN_REPLY[:4], facts.ReplyEnded("resp_1", "cancelled", (), reason="turn_detected"))

    done = next(event for event in events if event["type"] == "conversation.item.done")
    assert (done["item"]["status"], done["item"]["content"][0]["transcript"]) == ("incomplete", "Hello ")
    assert types(events)[-2:] == ["response.output_item.done", "response.done"]
    assert done["previous_item_id"] == "item_u"


def test_nothing_of_a_reply_follows_its_response_done() -> None:
    late = (SPOKEN_REPLY[2], SPOKEN_REPLY[3], SPOKEN_REPLY[5], SPOKEN_REPLY[6])

    assert types(told(*SPOKEN_REPLY, *late)).index("response.done") == len(told(*SPOKEN_REPLY)) - 1
    assert len(told(*SPOKEN_REPLY, *late)) == len(told(*SPOKEN_REPLY))


def test_a_socket_that_joins_in_mid_reply_is_told_the_frame_around_the_delta() -> None:
    assert types(told(SPOKEN_REPLY[3])) == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_audio.delta",
    ]


@pytest.mark.parametrize(
    ("status", "reason", "details"),
    [
        ("completed", "", None),
        ("cancelled", "turn_detected", {"type": "cancelled", "reason": "turn_detected"}),
        ("cancelled", "session_stopped", {"type": "cancelled", "reason": None}),
        ("incomplete", "content_filter", {"type": "incomplete", "reason": "content_filter"}),
        (
            "failed",
            "provider_timeout",
            {
                "type": "failed",
                "error": {"type": "server_error", "code": "provider_timeout", "message": "Late."},
            },
        ),
    ],
)
def test_the_end_of_a_reply_says_why(status: Any, reason: str, details: Any) -> None:
    ended = facts.ReplyEnded("resp_1", status, (), reason=reason, error_text="Late.")

    event = told(facts.ReplyStarted("resp_1"), ended)[-1]

    judge(event)
    assert event["response"]["status_details"] == details


def test_partial_words_go_only_to_clients_that_asked() -> None:
    partial = facts.UserWordsChanged("item_u", "hello wor")

    assert told(partial) == []
    event = told(partial, speaks_nova=True)[0]
    assert (event["type"], event["text"], event["is_final"]) == ("nova.transcript", "hello wor", False)


def test_a_phantom_turn_is_closed_only_where_it_became_an_item() -> None:
    phantom = facts.UserTurnTranscribed("item_u", "", 0.3)

    assert told(phantom) == []
    assert types(told(facts.InputCommitted("item_u", None), phantom))[1:] == [
        "conversation.item.input_audio_transcription.completed"
    ]


def test_only_clients_that_asked_are_told_whether_an_error_may_be_retried() -> None:
    fault = facts.FaultHappened("provider_throttled", "Too often.", True)

    assert "retriable" not in told(fault)[0]["error"]
    assert told(fault, speaks_nova=True)[0]["error"]["retriable"] is True


def test_playback_cleared_is_told_to_clients_that_clear_it() -> None:
    outbound, events, _ = telling()
    flushed = facts.PlaybackFlushed("resp_1", "item_a", 640, "client_cancelled")

    outbound.tell(flushed)
    outbound.hears_clears = True
    outbound.tell(flushed)

    assert types(events) == ["output_audio_buffer.cleared"]


def test_speech_leaves_as_telephone_audio_when_the_client_asked_for_it() -> None:
    outbound, _, payloads = telling(output_format="audio/pcmu", output_rate_hz=8_000)

    outbound.tell(facts.ReplyAudioAdded("resp_1", "item_a", 0, b"\x00\x00" * 5))

    assert payloads == [b"\xff" * 5]


def test_a_delay_that_is_no_number_is_left_out_of_the_metrics() -> None:
    measured = facts.TurnMeasured("resp_1", {"good_ms": 1.0, "bad_ms": float("nan")})

    assert told(measured, speaks_nova=True)[0]["delays_ms"] == {"good_ms": 1.0}


def _session(**config: Any) -> dict[str, Any]:
    outbound, events, _ = telling(**config)
    outbound.greet()
    judge(events[0])
    return dict(events[0]["session"])


def test_the_session_object_is_the_effective_configuration() -> None:
    turns = TurnSettings(mode="server_vad", end_silence_ms=700, idle_timeout_ms=5_000)

    session = _session(announced_voice="marin", announced_model="gpt-realtime", turns=turns)

    assert (session["id"], session["type"], session["model"]) == ("sess_0123", "realtime", "gpt-realtime")
    assert session["audio"]["output"]["voice"] == "marin"
    assert session["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24_000}
    assert session["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 700
    assert session["audio"]["input"]["turn_detection"]["idle_timeout_ms"] == 5_000


def test_push_to_talk_is_null_turn_detection() -> None:
    assert _session(turns=TurnSettings(mode="manual"))["audio"]["input"]["turn_detection"] is None


@pytest.mark.parametrize(("long_end_silence_ms", "eagerness"), [(2_000, "high"), (3_000, "medium"), (8_000, "low")])
def test_semantic_turn_detection_tells_its_eagerness(long_end_silence_ms: int, eagerness: str) -> None:
    turns = TurnSettings(mode="semantic_vad", long_end_silence_ms=long_end_silence_ms)

    assert _session(turns=turns)["audio"]["input"]["turn_detection"]["eagerness"] == eagerness


def test_only_the_clients_own_tools_are_shown_to_it() -> None:
    schema = {"type": "object", "properties": {}}
    tools = (
        ToolSpec("current_time", "ours", schema),
        ToolSpec("open_door", "theirs", schema, runs_at="client"),
    )

    assert [tool["name"] for tool in _session(tools=tools)["tools"]] == ["open_door"]


def test_telephone_formats_have_no_rate() -> None:
    session = _session(input_format="audio/pcmu", input_rate_hz=8_000)

    assert session["audio"]["input"]["format"] == {"type": "audio/pcmu"}
