"""The pure parts of the Nova provider: legal histories, the request's shape, thoughts kept unheard, events read."""

import contextlib
import itertools
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.language_model_suite import red_jpeg
from workers.errors import ContextFullError, MalformedOutputError, ProviderUnavailableError
from workers.language_model.contract import (
    ModelEvent,
    ModelFinished,
    ModelMessage,
    ModelOptions,
    ModelPart,
    ModelRequest,
    ModelUsage,
    PicturePart,
    TextDelta,
    TextPart,
    ToolResultPart,
    ToolSpec,
    ToolUse,
    ToolUsePart,
)
from workers.language_model.legal_history import legal_messages, newest_pictures, shortened, without_tools
from workers.language_model.nova_events import NovaAnswer
from workers.language_model.nova_tools import ToolNames, nova_schema
from workers.language_model.nova_wire import converse_arguments

PRO = "us.amazon.nova-pro-v1:0"
MICRO = "us.amazon.nova-micro-v1:0"
LITE_2 = "us.amazon.nova-2-lite-v1:0"

JPEG = red_jpeg()

tool_ids = st.sampled_from(["t1", "t2", "t3"])
parts: st.SearchStrategy[ModelPart] = st.one_of(
    st.builds(TextPart, st.sampled_from(["hello", "", " ", "\n", "good day", "。"])),
    st.builds(lambda id_: PicturePart(JPEG + id_.encode(), "jpeg", "camera", 1), st.sampled_from(["1", "2"])),
    st.builds(lambda id_: ToolUsePart(id_, "current_time", {}), tool_ids),
    st.builds(lambda id_, text: ToolResultPart(id_, text), tool_ids, st.sampled_from(["12:00", ""])),
)
messages = st.builds(
    lambda role, content: ModelMessage(role, tuple(content)),
    st.sampled_from(["user", "assistant"]),
    st.lists(parts, max_size=4),
)
histories = st.lists(messages, max_size=10).map(tuple)


def picture(name: str = "p", size: int = 1) -> PicturePart:
    """A JPEG's header and nothing behind it but `name`."""
    header = b"\xff\xd8\xff\xc0\x00\x11\x08" + bytes((0, 9, 0, 16))
    return PicturePart((header + name.encode()).ljust(size, b"."), "jpeg", "camera", 0)


def user(*content: ModelPart) -> ModelMessage:
    return ModelMessage("user", content)


def assistant(*content: ModelPart) -> ModelMessage:
    return ModelMessage("assistant", content)


def request(*history: ModelMessage, model: str = PRO, tools: tuple[ToolSpec, ...] = ()) -> ModelRequest:
    return ModelRequest("Be brief.", history, ModelOptions(model), tools)


CLOCK = ToolSpec("current-time", "The time", {"type": "object", "properties": {}})


# --- legal histories ------------------------------------------------------------------------------------------------


@settings(max_examples=500, deadline=None)
@given(histories)
def test_a_legal_history_alternates_from_user_to_user(history: tuple[ModelMessage, ...]) -> None:
    roles = [message.role for message in legal_messages(history)]
    assert roles[0] == roles[-1] == "user"
    assert all(first != second for first, second in itertools.pairwise(roles))


@settings(max_examples=500, deadline=None)
@given(histories)
def test_a_legal_history_has_no_blank_text_and_no_empty_message(history: tuple[ModelMessage, ...]) -> None:
    for message in legal_messages(history):
        assert message.parts
        assert all(part.text.strip() for part in message.parts if isinstance(part, TextPart))
        assert all(part.content.strip() for part in message.parts if isinstance(part, ToolResultPart))


@settings(max_examples=500, deadline=None)
@given(histories)
def test_in_a_legal_history_each_use_is_answered_right_after_it_and_no_result_is_alone(
    history: tuple[ModelMessage, ...],
) -> None:
    legal = legal_messages(history)
    used_before: set[str] = set()
    uses: set[str] = set()
    for message in legal:
        results = [part.tool_use_id for part in message.parts if isinstance(part, ToolResultPart)]
        assert sorted(results) == sorted(uses)
        uses = {part.tool_use_id for part in message.parts if isinstance(part, ToolUsePart)}
        assert not (uses & used_before)
        assert not uses or message.role == "assistant"
        used_before |= uses
    assert not uses


@settings(max_examples=500, deadline=None)
@given(histories)
def test_in_a_legal_history_pictures_are_the_users_and_come_before_text(
    history: tuple[ModelMessage, ...],
) -> None:
    for message in legal_messages(history):
        kinds = [part.kind for part in message.parts]
        assert message.role == "user" or "picture" not in kinds
        assert kinds == sorted(kinds, key=["tool_result", "picture", "text", "tool_use"].index)


@settings(deadline=None)
@given(histories)
def test_making_a_history_legal_twice_changes_nothing_more(history: tuple[ModelMessage, ...]) -> None:
    once = legal_messages(history)
    assert legal_messages(once) == once


@settings(deadline=None)
@given(histories)
def test_no_spoken_word_of_a_history_is_lost(history: tuple[ModelMessage, ...]) -> None:
    def words(of: tuple[ModelMessage, ...]) -> list[str]:
        return sorted(p.text for m in of for p in m.parts if isinstance(p, TextPart) and p.text.strip())

    kept = words(legal_messages(history))
    for word in words(history):
        kept.remove(word)


def test_a_result_that_comes_late_moves_to_its_use() -> None:
    use, result = ToolUsePart("t1", "clock", {}), ToolResultPart("t1", "12:00")
    legal = legal_messages((user(TextPart("time?")), assistant(use), user(TextPart("wait")), user(result)))
    assert [part.kind for part in legal[2].parts] == ["tool_result", "text"]


def test_without_tools_a_result_is_told_in_words() -> None:
    use, result = ToolUsePart("t1", "clock", {}), ToolResultPart("t1", "12:00")
    told = legal_messages(without_tools((user(TextPart("time?")), assistant(use), user(result))))
    assert [message.role for message in told] == ["user"]
    assert "12:00" in "".join(part.text for part in told[0].parts if isinstance(part, TextPart))


def test_only_the_newest_pictures_stay() -> None:
    kept = newest_pictures((user(picture("a"), picture("b")), user(picture("c"))), count=2, max_bytes=1_000)
    left = [part.data for message in kept for part in message.parts if isinstance(part, PicturePart)]
    assert left == [picture("b").data, picture("c").data]


def test_pictures_together_stay_below_the_weight() -> None:
    kept = newest_pictures((user(picture("a", 600)), user(picture("b", 600))), count=9, max_bytes=1_000)
    assert [len(message.parts) for message in kept] == [0, 1]


def test_a_shortened_history_keeps_the_newer_half() -> None:
    assert shortened(tuple(user(TextPart(str(n))) for n in range(4))) == (user(TextPart("2")), user(TextPart("3")))


# --- the request ------------------------------------------------------------------------------------------------------


def test_the_largest_answer_is_always_named() -> None:
    assert converse_arguments(request(user(TextPart("hi"))))["inferenceConfig"]["maxTokens"] == 512


def test_top_k_travels_in_the_models_own_fields_and_only_when_set() -> None:
    plain = request(user(TextPart("hi")))
    with_top_k = ModelRequest("", plain.messages, ModelOptions(PRO, top_k=20))
    assert "additionalModelRequestFields" not in converse_arguments(plain)
    fields = converse_arguments(with_top_k)["additionalModelRequestFields"]
    assert fields == {"inferenceConfig": {"topK": 20}}


def test_a_blank_prompt_is_not_sent() -> None:
    assert "system" not in converse_arguments(ModelRequest(" ", (), ModelOptions(PRO)))


@pytest.mark.parametrize(("model", "count"), [(PRO, 20), (LITE_2, 5), (MICRO, 0)])
def test_each_model_gets_as_many_pictures_as_it_takes(model: str, count: int) -> None:
    sent = converse_arguments(request(user(*[picture() for _ in range(25)], TextPart("look")), model=model))
    assert sum("image" in block for block in sent["messages"][0]["content"]) == count


def test_a_picture_that_is_too_heavy_is_left_out() -> None:
    sent = converse_arguments(request(user(picture("x", 3_750_001), TextPart("look"))))
    assert sent["messages"][0]["content"] == [{"text": "look"}]


def test_a_tool_has_another_name_on_the_wire_and_its_own_in_the_event() -> None:
    sent = converse_arguments(request(user(TextPart("time?")), tools=(CLOCK,)))
    assert sent["toolConfig"]["tools"][0]["toolSpec"]["name"] == "current_time"
    assert ToolNames.of((CLOCK,)).original("current_time") == "current-time"


def test_a_schema_keeps_three_keys_and_no_references() -> None:
    schema = nova_schema(
        {
            "type": "object",
            "title": "Arguments",
            "additionalProperties": False,
            "properties": {"zone": {"$ref": "#/$defs/Zone"}},
            "required": ["zone"],
            "$defs": {"Zone": {"type": "string", "enum": ["UTC"]}},
        }
    )
    assert schema == {
        "type": "object",
        "properties": {"zone": {"type": "string", "enum": ["UTC"]}},
        "required": ["zone"],
    }


def test_a_schema_that_refers_to_itself_ends() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}
    schema = nova_schema({"properties": {"first": {"$ref": "#/$defs/Node"}}, "$defs": {"Node": node}})
    assert schema["type"] == "object"
    assert "$ref" not in str(schema)


@settings(max_examples=200, deadline=None)
@given(histories)
def test_without_tools_no_tool_block_is_sent(history: tuple[ModelMessage, ...]) -> None:
    sent = converse_arguments(request(*history))
    assert not any("toolUse" in block or "toolResult" in block for m in sent["messages"] for block in m["content"])


# --- events -----------------------------------------------------------------------------------------------------------


def read(*events: dict[str, Any]) -> list[ModelEvent]:
    answer = NovaAnswer(ToolNames.of((CLOCK,)))
    return [*_fed(answer, events), *answer.end(input_tokens=10)]


def _fed(answer: NovaAnswer, events: Iterable[dict[str, Any]]) -> list[ModelEvent]:
    return [heard for event in events for heard in answer.feed(event)]


def tool_start(index: int, tool_use_id: str) -> dict[str, Any]:
    start = {"toolUse": {"toolUseId": tool_use_id, "name": "current_time"}}
    return {"contentBlockStart": {"contentBlockIndex": index, "start": start}}


def tool_delta(index: int, text: str) -> dict[str, Any]:
    return {"contentBlockDelta": {"contentBlockIndex": index, "delta": {"toolUse": {"input": text}}}}


def block_stop(index: int) -> dict[str, Any]:
    return {"contentBlockStop": {"contentBlockIndex": index}}


def text_delta(text: str) -> dict[str, Any]:
    return {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": text}}}


def stop(reason: str) -> dict[str, Any]:
    return {"messageStop": {"stopReason": reason}}


USAGE = {"metadata": {"usage": {"inputTokens": 7, "outputTokens": 3, "cacheReadInputTokens": 2}}}


def test_tools_called_side_by_side_are_kept_apart() -> None:
    events = read(
        tool_start(0, "a"),
        tool_start(1, "b"),
        tool_delta(0, '{"zone": '),
        tool_delta(1, "{}"),
        tool_delta(0, '"UTC"}'),
        block_stop(1),
        block_stop(0),
        stop("tool_use"),
        USAGE,
    )
    assert events == [
        ToolUse("b", "current-time", {}),
        ToolUse("a", "current-time", {"zone": "UTC"}),
        ModelFinished("tool_use", ModelUsage(7, 3, 2)),
    ]


def test_a_tool_called_twice_with_one_id_is_called_once() -> None:
    events = read(tool_start(0, "a"), block_stop(0), tool_start(1, "a"), block_stop(1), stop("tool_use"), USAGE)
    assert sum(isinstance(event, ToolUse) for event in events) == 1


@pytest.mark.parametrize("arguments", ['{"zone": ', "[1]", '"UTC"', "{,}"])
def test_arguments_that_are_no_object_are_malformed(arguments: str) -> None:
    with pytest.raises(MalformedOutputError):
        read(tool_start(0, "a"), tool_delta(0, arguments), block_stop(0), stop("tool_use"))


@pytest.mark.parametrize(
    ("reason", "mapped"),
    [
        ("end_turn", "end_turn"),
        ("tool_use", "tool_use"),
        ("max_tokens", "max_tokens"),
        ("stop_sequence", "stop_sequence"),
        ("guardrail_intervened", "content_filtered"),
        ("content_filtered", "content_filtered"),
        ("something_new", "end_turn"),
    ],
)
def test_every_stop_reason_has_a_meaning(reason: str, mapped: str) -> None:
    assert read(text_delta("hi"), stop(reason), USAGE)[-1] == ModelFinished(
        mapped,  # type: ignore[arg-type]
        ModelUsage(7, 3, 2),
    )


@pytest.mark.parametrize("reason", ["malformed_model_output", "malformed_tool_use"])
def test_an_answer_the_service_could_not_read_is_malformed(reason: str) -> None:
    with pytest.raises(MalformedOutputError):
        read(stop(reason), USAGE)


def test_a_full_context_is_told_apart() -> None:
    with pytest.raises(ContextFullError):
        read(stop("model_context_window_exceeded"), USAGE)


def test_an_end_without_a_stop_is_no_end() -> None:
    with pytest.raises(ProviderUnavailableError):
        read(text_delta("half a sen"))


def test_a_missing_usage_is_estimated_and_never_zero() -> None:
    assert read(text_delta("eight ch"), stop("end_turn"))[-1] == ModelFinished(
        "end_turn", ModelUsage(10, 2, is_estimated=True)
    )


def test_half_a_tag_at_the_end_is_heard() -> None:
    assert read(text_delta("a <thi"), stop("end_turn"), USAGE)[:-1] == [TextDelta("a "), TextDelta("<thi")]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.builds(tool_start, st.integers(0, 2), tool_ids),
            st.builds(tool_delta, st.integers(0, 2), st.just("{}")),
            st.builds(block_stop, st.integers(0, 2)),
            st.builds(text_delta, st.text(max_size=5)),
            st.just({"messageStart": {"role": "assistant"}}),
            st.just({"somethingNew": {}}),
        ),
        max_size=15,
    )
)
def test_events_in_any_order_end_sanely(events: list[dict[str, Any]]) -> None:
    with contextlib.suppress(MalformedOutputError):
        assert isinstance(read(*events, stop("end_turn"), USAGE)[-1], ModelFinished)


def test_labels_stand_beside_the_request_in_the_characters_that_bedrock_takes() -> None:
    labels = (("session_id", "sess_1"), ("pictures", "newest=0:12; ünd mehr" + "x" * 300))
    told = converse_arguments(ModelRequest("", (), ModelOptions(PRO), labels=labels))["requestMetadata"]
    assert told["session_id"] == "sess_1"
    assert told["pictures"].startswith("newest=0:12_ _nd mehrx")
    assert len(told["pictures"]) == 256
    assert "requestMetadata" not in converse_arguments(ModelRequest("", (), ModelOptions(PRO)))
