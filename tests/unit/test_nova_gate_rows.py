"""Bedrock's faults (BR rows of reliability.md 2.10) through unmodified boto3, the emulator and a whole reply."""

import random
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any, cast

import pytest

from tests.aws_emulator.process import EmulatorProcess
from tests.contracts.emulated_aws import aws_settings, emulated_aws, worker_settings
from tests.unit.test_aws_nova_pure import request, user
from tests.unit.written_reply import CLOCK, Written, write_reply
from workers import aws_clients
from workers.language_model.aws_nova import AwsNova, NovaLimits
from workers.language_model.contract import TextDelta, TextPart
from workers.language_model.model_breaker import ModelBreaker
from workers.streams.messages import ToolReturned

OTHER = "us.amazon.nova-lite-v1:0"
LONG = "One two. " * 60
THROTTLED = {"error": {"type": "ThrottlingException"}}
DENIED = {"error": {"type": "AccessDeniedException", "message": "You may not."}}
KINDS = ("throttling", "modelStreamError", "internalServer", "serviceUnavailable", "validation")
PROVIDERS: dict[tuple[str, NovaLimits | None, str], AwsNova] = {}
LIMITS = NovaLimits(first_token_seconds=0.6, gap_seconds=1.0)


@pytest.fixture(scope="module")
def running_aws() -> Iterator[EmulatorProcess]:
    with emulated_aws() as aws:
        yield aws


@pytest.fixture
def aws(running_aws: EmulatorProcess, monkeypatch: pytest.MonkeyPatch) -> EmulatorProcess:
    running_aws.reset()
    monkeypatch.setattr(aws_clients, "RETRY_BASE_SECONDS", 0.01)
    return running_aws


def made(aws: EmulatorProcess, limits: NovaLimits | None = None, fallback: str = "") -> AwsNova:
    """Making boto3's client is slow, so tests share one; its circuits remember failures, so each test has its own."""
    key = (aws.env()["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"], limits, fallback)
    if key not in PROVIDERS:
        settings = replace(worker_settings(aws_settings(aws)), fallback_model_id=fallback)
        PROVIDERS[key] = AwsNova(settings, limits)
    PROVIDERS[key]._breaker = ModelBreaker()
    return PROVIDERS[key]


def calls(aws: EmulatorProcess, count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = aws.wait_for_calls(count, service="bedrock", open=False, full=True)
    assert len(found) == count
    return found


def timed(nova: AwsNova) -> tuple[Written, float]:
    began = time.monotonic()
    return write_reply(nova), time.monotonic() - began


# --- before the first token ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("times", "count"), [(1, 2), (2, 3), (3, 3)])
def test_br_01_throttling_before_the_stream_is_retried_twice_at_most(
    aws: EmulatorProcess, times: int, count: int
) -> None:
    aws.script(bedrock=[{**THROTTLED, "times": times}])
    written = write_reply(made(aws))
    assert len(calls(aws, count)) == count
    if times < 3:
        assert written.text
    else:
        assert (written.fault.code, written.fault.retriable) == ("provider_throttled", True)


def test_br_01_the_longest_pauses_between_retries_stay_below_three_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", lambda low, high: high)
    assert sum(aws_clients._pause_seconds(retry) for retry in range(aws_clients.MAX_RETRIES)) <= 3


@pytest.mark.parametrize("error", ["ThrottlingException", "ServiceUnavailableException", "AccessDeniedException"])
def test_br_01_the_other_model_answers_when_the_first_cannot(aws: EmulatorProcess, error: str) -> None:
    aws.script(bedrock=[{"error": {"type": error}, "times": 3, "match": {"model_id": "pro"}}, {"text": "Here I am."}])
    written = write_reply(made(aws, fallback=OTHER))
    assert (written.text, written.end.model_id) == ("Here I am.", OTHER)


def test_the_other_model_is_not_asked_once_a_word_was_written(aws: EmulatorProcess) -> None:
    aws.script(bedrock=[{"text": LONG, "fault": {"at_event": 9, "kind": "exception"}}])
    assert write_reply(made(aws, fallback=OTHER)).fault.code == "provider_unavailable"
    calls(aws, 1)


@pytest.mark.parametrize("headers_ms", [0, 60_000], ids=["headers", "no headers"])
def test_br_05_a_first_token_that_does_not_come_is_given_up_at_the_limit(aws: EmulatorProcess, headers_ms: int) -> None:
    aws.script(bedrock=[{"times": 9, "headers_ms": headers_ms, "first_token_ms": 60_000}])
    written, seconds = timed(made(aws, LIMITS))
    assert (written.fault.code, written.fault.retriable) == ("first_token_late", True)
    assert 0.6 <= seconds < 0.9
    assert NovaLimits().first_token_seconds == 8.0


@pytest.mark.parametrize("error", ["AccessDeniedException", "ResourceNotFoundException"])
def test_br_09_a_model_that_cannot_be_used_is_asked_once_a_reply_and_then_left_alone(
    aws: EmulatorProcess, error: str
) -> None:
    aws.script(bedrock=[{"error": {"type": error}, "times": 99}])
    nova = made(aws)
    faults = [write_reply(nova).fault for _ in range(5)]
    assert {(fault.code, fault.retriable) for fault in faults} == {("llm_unavailable", False)}
    calls(aws, 3)


def test_br_09_after_its_rest_the_model_is_tried_again(aws: EmulatorProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    aws.script(bedrock=[{**DENIED, "times": 3}, {"text": "Back again."}])
    nova = made(aws)
    for _ in range(3):
        write_reply(nova)
    now = time.monotonic()
    monkeypatch.setattr("workers.language_model.aws_nova.time.monotonic", lambda: now + 31)
    assert write_reply(nova).text == "Back again."


def test_br_09_throttling_alone_never_stops_the_only_model(aws: EmulatorProcess) -> None:
    aws.script(bedrock=[{**THROTTLED, "times": 12}, {"text": "Here I am."}])
    nova = made(aws)
    assert [write_reply(nova).fault.code for _ in range(4)] == ["provider_throttled"] * 4
    assert write_reply(nova).text == "Here I am."


# --- inside the stream --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at_event", [1, 5, 50])
@pytest.mark.parametrize("kind", KINDS)
def test_br_02_an_exception_inside_the_stream_is_silent_or_leaves_what_was_written(
    aws: EmulatorProcess, kind: str, at_event: int
) -> None:
    fault = {"kind": "exception", "exception": f"{kind}Exception", "at_event": at_event}
    aws.script(bedrock=[{"text": LONG, "fault": fault}, {"text": "Here I am."}])
    written = write_reply(made(aws))
    if at_event == 1:
        assert (written.text, written.end.stop_reason) == ("Here I am.", "end_turn")
    else:
        assert written.fault.retriable
        assert LONG.startswith(written.text)
        assert written.text
        calls(aws, 1)


def test_br_03_clean_end_without_message_stop_is_never_completed(aws: EmulatorProcess) -> None:
    aws.script(bedrock=[{"text": LONG, "fault": {"kind": "end", "at_event": at}} for at in (20, 1)])
    assert write_reply(made(aws)).fault.code == "provider_unavailable"
    assert write_reply(made(aws)).text, "nothing was said, so it was asked again"


def test_br_04_a_stall_after_tokens_is_given_up_at_the_limit(aws: EmulatorProcess) -> None:
    aws.script(bedrock=[{"text": LONG, "fault": {"kind": "stall", "at_event": 9}}])
    written, seconds = timed(made(aws, LIMITS))
    assert (written.fault.code, written.text) == ("model_stalled", "One two. One two. One two.")
    assert 1.0 <= seconds < 1.5
    assert NovaLimits().gap_seconds == 10.0


# --- stop reasons -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stop_reason", "end", "spoken", "count"),
    [
        ("end_turn", "end_turn", "One two.", 1),
        ("tool_use", "tool_use", "One two.", 1),
        ("max_tokens", "max_tokens", "One two.", 1),
        ("stop_sequence", "stop_sequence", "One two.", 1),
        ("guardrail_intervened", "content_filtered", "One two.", 1),
        ("content_filtered", "content_filtered", "One two.", 1),
        ("malformed_model_output", "end_turn", "One two. Again.", 2),
        ("malformed_tool_use", "end_turn", "One two. Again.", 2),
        ("model_context_window_exceeded", "max_tokens", "One two.", 1),
        ("something_new", "end_turn", "One two.", 1),
    ],
)
def test_br_06_every_stop_reason_after_words_has_its_end(
    aws: EmulatorProcess, stop_reason: str, end: str, spoken: str, count: int
) -> None:
    aws.script(bedrock=[{"text": "One two.", "stop_reason": stop_reason}, {"text": "Again."}])
    written = write_reply(made(aws), tools=(CLOCK,))
    assert (written.end.stop_reason, written.text) == (end, spoken)
    calls(aws, count)


@pytest.mark.parametrize("stop_reason", ["malformed_model_output", "malformed_tool_use"])
def test_br_06_malformed_output_is_asked_once_more_without_tools_and_then_told(
    aws: EmulatorProcess, stop_reason: str
) -> None:
    aws.script(bedrock=[{"content": [], "stop_reason": stop_reason, "times": 9}])
    assert write_reply(made(aws), tools=(CLOCK,)).fault.code == "model_malformed"
    assert ["toolConfig" in call["request"] for call in calls(aws, 2)] == [True, False]


def test_br_06_a_full_context_is_asked_once_more_with_the_newer_half(aws: EmulatorProcess) -> None:
    aws.script(bedrock=[{"content": [], "stop_reason": "model_context_window_exceeded"}, {"text": "Again."}])
    history = request(*[user(TextPart(f"turn {n}")) for n in range(8)]).messages
    stream = made(aws).stream(request(*history))
    assert "".join(event.text for event in stream if isinstance(event, TextDelta)) == "Again."
    sent = [str(call["request"]["messages"]) for call in calls(aws, 2)]
    assert ["turn 0" in text and "turn 7" in text for text in sent] == [True, False]


def test_br_06_a_filtered_answer_has_its_fixed_line(aws: EmulatorProcess) -> None:
    aws.script(bedrock=[{"content": [], "stop_reason": "content_filtered"}])
    assert write_reply(made(aws)).text == "I would rather not answer that. Let us talk about something else."


# --- tool calls ---------------------------------------------------------------------------------------------------------

UNREADABLE = (
    '{"zone": ',
    "{",
    "[1]",
    '"UTC"',
    "{,}",
    "nonsense",
    "{'a': 1}",
    '{"a": NaN}',
    '{"a": "\\ud83d"}',
    "[" * 9_000,
    "1",
    "null",
)
ILL_TYPED = (
    '{"time_zone": 5}',
    '{"time_zone": null}',
    '{"time_zone": ["UTC"]}',
    '{"time_zone": true}',
    '{"time_zone": {}}',
)
UNKNOWN = ("launch", "current-time", "CURRENT_TIME", "functions.current_time", "x" * 64)
GOOD = ("{}", "", " ", '{"time_zone": "UTC"}')


def uses(*raw: str, name: str = "current_time", same_id: bool = False) -> dict[str, Any]:
    ids = {"id": "same"} if same_id else {}
    return {"content": [{"tool_use": {"name": name, "raw_input": text, **ids}} for text in raw]}


BROKEN = [
    *(uses(text) for text in UNREADABLE),
    *(uses(text) for text in ILL_TYPED),
    *(uses("{}", name=name) for name in UNKNOWN),
]
RUNNABLE = [
    *(uses(text) for text in GOOD),
    uses("{}", "{}", "{}"),
    uses("{}", "{}", same_id=True),
    uses("{}", "{broken"),
    uses("{broken", "{}"),
]


@pytest.mark.parametrize("script", BROKEN, ids=range(len(BROKEN)))
def test_br_07_a_broken_tool_call_is_answered_without_the_tool_after_one_more_request(
    aws: EmulatorProcess, script: dict[str, Any]
) -> None:
    aws.script(bedrock=[script, {"text": "I cannot look it up."}])
    written = write_reply(made(aws), tools=(CLOCK,))
    assert (written.text, written.of(ToolReturned)) == ("I cannot look it up.", [])
    assert "toolConfig" not in calls(aws, 2)[1]["request"]


@pytest.mark.parametrize("script", RUNNABLE, ids=range(len(RUNNABLE)))
def test_br_07_of_calls_side_by_side_each_good_one_is_run_once(aws: EmulatorProcess, script: dict[str, Any]) -> None:
    aws.script(bedrock=[script, {"text": "Noon."}])
    written = write_reply(made(aws), tools=(CLOCK,))
    ids = [entry.tool_use_id for entry in written.of(ToolReturned)]
    assert written.text == "Noon."
    assert len(ids) == len(set(ids)) >= 1
    calls(aws, 2)


def test_br_07_an_invalid_sequence_as_part_of_tool_use_is_asked_once_more_without_tools(aws: EmulatorProcess) -> None:
    message = "Model produced invalid sequence as part of ToolUse."
    aws.script(bedrock=[{"fault": {"kind": "exception", "at_event": 1, "message": message}}, {"text": "I cannot."}])
    assert write_reply(made(aws), tools=(CLOCK,)).text == "I cannot."
    calls(aws, 2)


def test_br_07_after_words_the_answer_goes_on_without_the_tool(aws: EmulatorProcess) -> None:
    broken = {"content": [{"text": "One moment."}, {"tool_use": {"name": "current_time", "raw_input": "{"}}]}
    aws.script(bedrock=[broken, {"text": "I cannot look it up."}])
    written = write_reply(made(aws), tools=(CLOCK,))
    assert written.text == "One moment. I cannot look it up."
    assert "One moment." in str(calls(aws, 2)[1]["request"]["messages"][1])


# --- many, and cost -----------------------------------------------------------------------------------------------------


def test_br_10_every_call_names_its_largest_answer(aws: EmulatorProcess) -> None:
    aws.script(bedrock=[uses("{}"), THROTTLED, uses("{"), {"text": "Well."}])
    write_reply(made(aws), tools=(CLOCK,))
    assert all(call["facts"]["max_tokens_set"] for call in calls(aws, 4))


def test_br_12_a_stream_without_usage_is_estimated_and_flagged(aws: EmulatorProcess) -> None:
    aws.script(bedrock=[{"metadata": False}, {"text": "Hi."}])
    ends = [write_reply(made(aws)).end for _ in range(2)]
    assert [end.is_usage_estimated for end in ends] == [True, False]
    assert all(end.input_tokens and end.output_tokens for end in ends)


def test_br_14_five_hundred_cut_streams_leave_no_connection_open(aws: EmulatorProcess) -> None:
    aws.script(defaults={"bedrock": {"text": LONG, "token_ms": 50}})
    nova = made(aws)
    for _ in range(500):
        with closing(cast(Any, nova.stream(request(user(TextPart("hello")))))) as stream:
            next(stream)
    assert len(aws.wait_for_calls(500, service="bedrock", open=False, outcome="client_closed")) == 500
    assert aws.journal(service="bedrock", open=True) == []
    assert nova._client.meta.config.max_pool_connections == 100 + aws_clients.SPARE_CONNECTIONS
