"""What a reply becomes: its sentences, its tools, its end, with a scripted model and no network."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.written_reply import CLOCK, DOOR, HELLO, ScriptedModel, Written, write_reply
from workers.errors import MODEL_FAULTS, ModelStalledError, NovaError, ProviderError, ReplyCancelled
from workers.language_model.contract import (
    ModelEvent,
    ModelFinished,
    ModelOptions,
    ModelRequest,
    ModelUsage,
    StoredMessage,
    TextDelta,
    TextPart,
    ToolResultPart,
    ToolUse,
    ToolUsePart,
)
from workers.reply_sentences import speech_seconds
from workers.sentences import speakable
from workers.streams.messages import SentenceWritten, ToolCalled, ToolReturned

DONE = ModelFinished("end_turn", ModelUsage(7, 3))
TOOL_DONE = ModelFinished("tool_use", ModelUsage(7, 3))


def says(*texts: str, done: ModelFinished = DONE) -> list[ModelEvent]:
    return [*(TextDelta(text) for text in texts), done]


def calls(*uses: tuple[str, str, dict[str, Any]], text: str = "") -> list[ModelEvent]:
    said: list[ModelEvent] = [TextDelta(text)] if text else []
    return [*said, *(ToolUse(*use) for use in uses), TOOL_DONE]


TIME: tuple[str, str, dict[str, Any]] = ("t1", "current_time", {})


# --- sentences over rounds ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        ("One moment.", "It is noon.", "One moment. It is noon."),
        ("One moment.\n", "It is noon.", "One moment.\nIt is noon."),
        ("请稍等。", "现在是中午。", "请稍等。现在是中午。"),
        ("", "\n\nIt is noon.", "It is noon."),
    ],
)
def test_what_is_said_before_and_after_a_tool_is_joined_as_a_writer_would(before: str, after: str, text: str) -> None:
    model = ScriptedModel(calls(TIME, text=before), says(after))
    assert write_reply(model, tools=(CLOCK,)).text == text


def test_the_end_tells_which_model_answered_and_what_it_cost() -> None:
    end = write_reply(ScriptedModel(says("Hi.", done=ModelFinished("end_turn", ModelUsage(7, 3), "other")))).end
    assert (end.model_id, end.input_tokens, end.output_tokens, end.is_usage_estimated) == ("other", 7, 3, False)


# --- BR-10, BR-11, BR-12, BR-15 ----------------------------------------------------------------------------------------


def endless(request: ModelRequest) -> Iterator[ModelEvent]:
    for number in range(10_000):
        yield TextDelta(f"This is sentence number {number} of the story. ")
    yield DONE


def test_br_10_an_endless_answer_is_ended_politely_within_sixty_seconds_of_speech() -> None:
    model = ScriptedModel(endless)
    written = write_reply(model)
    sentences = [entry.text for entry in written.of(SentenceWritten)]
    assert sentences[-1] == "Shall I go on?"
    assert 50 < sum(map(speech_seconds, sentences)) <= 60
    assert (written.end.stop_reason, written.end.is_usage_estimated, model.is_closed) == ("max_tokens", True, True)


def test_br_10_an_answer_that_is_only_read_has_no_such_end() -> None:
    long = "This is a sentence. " * 100
    assert write_reply(ScriptedModel(says(long)), max_speech_seconds=None).text == long.strip()


@pytest.mark.parametrize("text", ["word " * 2_000, "字" * 10_000, "x" * 10_000, "e\u0301" * 5_000])
def test_br_11_ten_kilobytes_without_a_full_stop_are_heard_after_150_characters(text: str) -> None:
    written = write_reply(ScriptedModel(says(text)), max_speech_seconds=None)
    first, *others = [entry.text for entry in written.of(SentenceWritten)]
    assert len(first) <= 150
    assert max(map(len, others)) <= 401
    assert not any(other.startswith("\u0301") for other in others)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Use <b>bold</b> &amp; <i>soft</i>.", "Use bold & soft."),
        ('<speak>Hi <break time="1.5s"/> there</speak>', "Hi there"),
        ('<?xml version="1.0"?><p>Hi</p><!-- a > b -->', "Hi"),
        ("Ring\x07 the\x00 bell\u202e\ufeff", "Ring the bell"),
        ("See https://www.example.com/a?b=c.", "See example.com"),
        ("Write to ada@example.com 📧", "Write to ada@example.com"),
        ("1 &lt; 2", "1 < 2"),
    ],
)
def test_br_11_marks_are_cleaned_for_the_ear_and_kept_for_the_eye(text: str, said: str) -> None:
    assert speakable(text) == said
    assert write_reply(ScriptedModel(says(text))).text == text


def test_br_12_a_reply_cut_before_its_usage_is_estimated_and_flagged() -> None:
    def cut_off(request: ModelRequest) -> Iterator[ModelEvent]:
        yield TextDelta("Once upon a time. There was")
        raise ReplyCancelled

    end = write_reply(ScriptedModel(cut_off)).end
    assert end.stop_reason == "cancelled"
    assert end.is_usage_estimated
    assert end.input_tokens > 0
    assert end.output_tokens > 0


@pytest.mark.parametrize("said", ["My canary is Zebra-4711.", "ze bra 4711 is it.", "It is *zebra4711*."])
def test_br_15_a_sentence_that_holds_the_prompts_canary_is_never_spoken(said: str) -> None:
    model = ScriptedModel(says(f"Sure. {said} Anything else?"))
    text = write_reply(model, system="Be kind.\ncanary: zebra-4711\nBe brief.").text
    assert text == "Sure. I would rather not answer that. Let us talk about something else. Anything else?"


# --- tools ----------------------------------------------------------------------------------------------------------


def test_br_07_an_unknown_tool_is_refused_in_words_and_the_next_round_offers_none() -> None:
    model = ScriptedModel(calls(("t1", "launch", {})), says("I cannot."))
    written = write_reply(model, tools=(CLOCK,))
    assert (written.text, written.of(ToolCalled)) == ("I cannot.", [])
    assert [request.tools for request in model.requests] == [(CLOCK,), ()]


def test_a_tool_of_the_catalogue_that_was_not_offered_is_not_run() -> None:
    ran: list[str] = []
    model = ScriptedModel(calls(TIME), says("I cannot."))
    write_reply(model, tools=(DOOR,), run_tool=lambda name, _: ran.append(name) or "")  # type: ignore[func-returns-value]
    assert ran == []


def test_a_model_that_keeps_calling_tools_is_made_to_answer() -> None:
    rounds = [calls((f"t{n}", "current_time", {})) for n in range(2)]
    model = ScriptedModel(*rounds, says("Noon."))
    written = write_reply(model, tools=(CLOCK,), max_tool_rounds=2)
    assert (written.text, model.requests[-1].tools) == ("Noon.", ())


def test_an_id_the_model_uses_again_is_told_apart() -> None:
    history = (StoredMessage("assistant", (ToolUsePart("t1", "current_time", {}),)), *HELLO)
    model = ScriptedModel(calls(TIME), calls(TIME), says("Noon."))
    written = write_reply(model, tools=(CLOCK,), history=history)
    assert [entry.tool_use_id for entry in written.of(ToolReturned)] == ["t1_2", "t1_3"]


def test_clients_tools_called_side_by_side_are_all_handed_over_and_the_workers_is_run() -> None:
    model = ScriptedModel(calls(("a", "open_door", {}), TIME, ("b", "open_door", {})))
    written = write_reply(model, tools=(CLOCK, DOOR))
    assert [(entry.tool_use_id, entry.runs_at) for entry in written.of(ToolCalled)] == [
        ("t1", "worker"), ("a", "client"), ("b", "client"),
    ]  # fmt: skip
    assert [entry.content for entry in written.of(ToolReturned)] == ["noon"]
    assert written.end.stop_reason == "tool_use"


def test_a_result_reaches_the_model_beside_its_call() -> None:
    model = ScriptedModel(calls(TIME, text="One moment."), says("Noon."))
    write_reply(model, tools=(CLOCK,))
    asked, answered = model.requests[1].messages[-2:]
    assert asked.parts == (TextPart("One moment."), ToolUsePart("t1", "current_time", {}))
    assert answered.parts == (ToolResultPart("t1", "noon"),)


# --- faults -----------------------------------------------------------------------------------------------------------


def test_a_fault_in_mid_answer_leaves_what_was_written_and_a_code() -> None:
    def falls_silent(request: ModelRequest) -> Iterator[ModelEvent]:
        yield TextDelta("This was said. And then")
        raise ModelStalledError("silent")

    written = write_reply(ScriptedModel(falls_silent))
    assert (written.text, written.fault.code, written.fault.retriable) == ("This was said.", "model_stalled", True)


def _provider_errors(kind: type[NovaError] = ProviderError) -> Iterator[type[NovaError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _provider_errors(child)


def test_the_table_of_faults_has_every_provider_error_with_its_flag() -> None:
    found = {error.code: error.retriable for error in _provider_errors() if error.__module__ == "workers.errors"}
    assert found.items() <= MODEL_FAULTS.items()


@pytest.mark.parametrize(
    ("language", "line"), [("en-US", "I would rather"), ("zh-CN", "这个问题"), ("fr-FR", "I would")]
)
def test_an_answer_that_was_filtered_whole_is_not_silent(language: str, line: str) -> None:
    options = ModelOptions("m", language=language)
    written: Written = write_reply(ScriptedModel(says(done=ModelFinished("content_filtered"))), options=options)
    assert written.text.startswith(line)
    assert written.end.stop_reason == "content_filtered"
