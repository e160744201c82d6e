"""The Nova provider with unmodified boto3 against the emulator: what it sends, and every way a stream can fail."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings

from tests.aws_emulator.process import EmulatorProcess
from tests.contracts.emulated_aws import aws_settings, emulated_aws, worker_settings
from tests.unit.test_aws_nova_pure import CLOCK, PRO, histories, request, user
from workers import aws_clients
from workers.errors import (
    ContextFullError,
    MalformedOutputError,
    ProviderError,
    ProviderRefusedError,
    ProviderThrottledError,
    ProviderTimeoutError,
    ProviderUnavailableError,
)
from workers.language_model.aws_nova import AwsNova, NovaLimits
from workers.language_model.contract import (
    ModelFinished,
    ModelMessage,
    ModelOptions,
    ModelRequest,
    TextDelta,
    TextPart,
    ToolUse,
)

HELLO = request(user(TextPart("hello")))


@pytest.fixture(scope="module")
def running_aws() -> Iterator[EmulatorProcess]:
    with emulated_aws() as aws:
        yield aws


@pytest.fixture(scope="module")
def nova(running_aws: EmulatorProcess) -> AwsNova:
    return AwsNova(worker_settings(aws_settings(running_aws)))


@pytest.fixture
def aws(running_aws: EmulatorProcess, monkeypatch: pytest.MonkeyPatch) -> EmulatorProcess:
    running_aws.reset()
    monkeypatch.setattr(aws_clients, "RETRY_BASE_SECONDS", 0.01)
    return running_aws


def text_of(nova: AwsNova, model_request: ModelRequest = HELLO) -> str:
    return "".join(event.text for event in nova.stream(model_request) if isinstance(event, TextDelta))


def calls(aws: EmulatorProcess, count: int, **wanted: Any) -> list[dict[str, Any]]:
    return aws.wait_for_calls(count, service="bedrock", open=False, full=True, **wanted)


# --- what is sent ------------------------------------------------------------------------------------------------------


def test_the_request_carries_prompt_limits_and_sampling(aws: EmulatorProcess, nova: AwsNova) -> None:
    options = ModelOptions(PRO, max_tokens=77, temperature=0.25, top_p=0.5, top_k=20)
    text_of(nova, ModelRequest("Be kind.", HELLO.messages, options))
    (call,) = calls(aws, 1)
    assert call["request"]["system"] == [{"text": "Be kind."}]
    assert call["request"]["inferenceConfig"] == {"maxTokens": 77, "temperature": 0.25, "topP": 0.5}
    assert call["request"]["additionalModelRequestFields"] == {"inferenceConfig": {"topK": 20}}


def test_one_connection_serves_one_reply_after_another(aws: EmulatorProcess, nova: AwsNova) -> None:
    for _ in range(3):
        text_of(nova)
    assert len({call["client_port"] for call in calls(aws, 3)}) == 1


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(histories)
def test_any_history_is_accepted_by_the_service(
    aws: EmulatorProcess, nova: AwsNova, history: tuple[ModelMessage, ...]
) -> None:
    assert isinstance(list(nova.stream(request(*history, tools=(CLOCK,))))[-1], ModelFinished)


def test_thoughts_are_not_heard(aws: EmulatorProcess, nova: AwsNova) -> None:
    aws.script(bedrock=[{"deltas": ["<thin", "king>The user", " greets</thin", "king>", "\n", "Hel", "lo."]}])
    assert text_of(nova).strip() == "Hello."


def test_a_tool_comes_back_under_its_own_name(aws: EmulatorProcess, nova: AwsNova) -> None:
    aws.script(bedrock=[{"text": "One moment.", "tool_use": {"name": "current_time", "input": {"zone": "UTC"}}}])
    events = list(nova.stream(request(user(TextPart("time?")), tools=(CLOCK,))))
    (use,) = [event for event in events if isinstance(event, ToolUse)]
    assert (use.name, use.arguments) == ("current-time", {"zone": "UTC"})
    assert cast(ModelFinished, events[-1]).stop_reason == "tool_use"


def test_a_missing_usage_is_estimated(aws: EmulatorProcess, nova: AwsNova) -> None:
    aws.script(bedrock=[{"metadata": False}])
    usage = cast(ModelFinished, list(nova.stream(HELLO))[-1]).usage
    assert usage.input_tokens > 0
    assert usage.output_tokens > 0


# --- before the first token ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [1, 2])
def test_up_to_two_throttles_are_not_noticed(aws: EmulatorProcess, nova: AwsNova, times: int) -> None:
    aws.script(bedrock=[{"times": times, "error": {"type": "ThrottlingException"}}])
    assert text_of(nova)
    assert len(calls(aws, times + 1)) == times + 1


def test_a_third_throttle_is_told(aws: EmulatorProcess, nova: AwsNova) -> None:
    aws.script(bedrock=[{"times": 9, "error": {"type": "ThrottlingException"}}])
    with pytest.raises(ProviderThrottledError) as caught:
        text_of(nova)
    assert caught.value.retriable
    assert len(calls(aws, 3)) == 3


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "exception", "exception": "throttlingException"},
        {"kind": "exception", "exception": "modelStreamErrorException"},
        {"kind": "exception", "exception": "internalServerException"},
        {"kind": "exception", "exception": "serviceUnavailableException"},
        {"kind": "reset"},
        {"kind": "cut"},
        {"kind": "end"},
        {"kind": "bad_crc"},
        {"kind": "garbage"},
    ],
    ids=lambda fault: fault.get("exception", fault["kind"]),
)
@pytest.mark.parametrize("at_event", [0, 1])
def test_a_fault_before_the_first_token_is_not_noticed(
    aws: EmulatorProcess, nova: AwsNova, fault: dict[str, Any], at_event: int
) -> None:
    aws.script(bedrock=[{"fault": {**fault, "at_event": at_event}}])
    assert text_of(nova)
    assert len(calls(aws, 2)) == 2


@pytest.mark.parametrize("error", ["ValidationException", "AccessDeniedException", "ResourceNotFoundException"])
def test_a_refusal_is_told_at_once(aws: EmulatorProcess, nova: AwsNova, error: str) -> None:
    aws.script(bedrock=[{"times": 9, "error": {"type": error}}])
    with pytest.raises(ProviderRefusedError) as caught:
        text_of(nova)
    assert not caught.value.retriable
    assert len(calls(aws, 1)) == 1


def test_a_first_token_that_does_not_come_is_given_up(aws: EmulatorProcess) -> None:
    impatient = AwsNova(worker_settings(aws_settings(aws)), NovaLimits(first_token_seconds=0.5))
    aws.script(bedrock=[{"times": 9, "headers_ms": 0, "first_token_ms": 60_000}])
    began = time.monotonic()
    with pytest.raises(ProviderTimeoutError):
        text_of(impatient)
    assert time.monotonic() - began < 3
    assert len(calls(aws, 1)) == 1


def test_headers_that_do_not_come_are_given_up(aws: EmulatorProcess) -> None:
    impatient = AwsNova(worker_settings(aws_settings(aws)), NovaLimits(first_token_seconds=0.5))
    aws.script(bedrock=[{"times": 9, "headers_ms": 60_000, "first_token_ms": 60_000}])
    with pytest.raises(ProviderTimeoutError):
        text_of(impatient)


def test_a_tool_call_that_cannot_be_read_is_asked_again_without_tools(aws: EmulatorProcess, nova: AwsNova) -> None:
    aws.script(bedrock=[{"content": [{"tool_use": {"name": "current_time", "raw_input": '{"zone": '}}]}])
    assert text_of(nova, request(user(TextPart("time?")), tools=(CLOCK,)))
    first, second = calls(aws, 2)
    assert "toolConfig" in first["request"]
    assert "toolConfig" not in second["request"]


def test_a_tool_call_that_cannot_be_read_twice_is_told(aws: EmulatorProcess, nova: AwsNova) -> None:
    broken = {"content": [{"tool_use": {"name": "current_time", "raw_input": "{"}}]}
    aws.script(bedrock=[{"times": 9, **broken}])
    with pytest.raises(MalformedOutputError):
        text_of(nova, request(user(TextPart("time?")), tools=(CLOCK,)))
    assert len(calls(aws, 2)) == 2


def test_a_context_that_is_full_is_asked_again_with_the_newer_half(aws: EmulatorProcess, nova: AwsNova) -> None:
    aws.script(
        bedrock=[{"error": {"type": "ValidationException", "message": "Input is too long for requested model."}}]
    )
    turns = [ModelMessage(cast(Any, ("user", "assistant")[n % 2]), (TextPart(f"turn {n}"),)) for n in range(9)]
    assert text_of(nova, request(*turns))
    first, second = calls(aws, 2)
    assert len(second["request"]["messages"]) < len(first["request"]["messages"])
    assert "turn 8" in json.dumps(second["request"])


def test_a_context_that_is_full_with_one_message_is_told(aws: EmulatorProcess, nova: AwsNova) -> None:
    aws.script(
        bedrock=[{"error": {"type": "ValidationException", "message": "Input is too long for requested model."}}]
    )
    with pytest.raises(ContextFullError):
        text_of(nova)


# --- in the middle -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at_event", [3, 8])
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"kind": "exception", "exception": "throttlingException"}, ProviderThrottledError),
        ({"kind": "exception", "exception": "modelStreamErrorException"}, ProviderUnavailableError),
        ({"kind": "exception", "exception": "internalServerException"}, ProviderUnavailableError),
        ({"kind": "exception", "exception": "serviceUnavailableException"}, ProviderUnavailableError),
        ({"kind": "exception", "exception": "validationException"}, ProviderUnavailableError),
        ({"kind": "reset"}, ProviderUnavailableError),
        ({"kind": "cut"}, ProviderUnavailableError),
        ({"kind": "end"}, ProviderUnavailableError),
        ({"kind": "bad_crc"}, ProviderUnavailableError),
        ({"kind": "garbage"}, ProviderUnavailableError),
    ],
)
def test_a_fault_after_the_first_token_is_told_and_never_retried(
    aws: EmulatorProcess, nova: AwsNova, fault: dict[str, Any], kind: type[ProviderError], at_event: int
) -> None:
    aws.script(bedrock=[{"token_ms": 5, "fault": {**fault, "at_event": at_event}}])
    stream = nova.stream(HELLO)
    assert isinstance(next(stream), TextDelta)
    with pytest.raises(kind):
        list(stream)
    assert len(calls(aws, 1)) == 1


def test_a_model_that_falls_silent_is_given_up(aws: EmulatorProcess) -> None:
    aws.script(bedrock=[{"fault": {"at_event": 4, "kind": "stall"}}])
    stream = AwsNova(worker_settings(aws_settings(aws)), NovaLimits(gap_seconds=0.3)).stream(HELLO)
    assert isinstance(next(stream), TextDelta)
    with pytest.raises(ProviderTimeoutError):
        list(stream)
    assert calls(aws, 1)[0]["closed_ms"]


def test_closing_drops_the_connection_at_once(aws: EmulatorProcess, nova: AwsNova) -> None:
    aws.script(bedrock=[{"text": "word " * 500, "token_ms": 20}])
    with closing(cast(Any, nova.stream(HELLO))) as stream:
        next(stream)
    closed_at_ms = time.monotonic() * 1000
    (call,) = calls(aws, 1)
    assert call["outcome"] == "client_closed"
    assert call["closed_ms"] - closed_at_ms < 1_000


# --- surroundings -------------------------------------------------------------------------------------------------------


def test_a_service_that_is_not_there_is_unavailable(aws: EmulatorProcess) -> None:
    nowhere = replace(aws_settings(aws), bedrock_endpoint_url="http://127.0.0.1:9")
    with pytest.raises(ProviderUnavailableError):
        text_of(AwsNova(worker_settings(nowhere)))


def test_without_credentials_the_request_is_refused(aws: EmulatorProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(ProviderRefusedError):
        text_of(AwsNova(worker_settings(aws_settings(aws))))
    assert aws.journal(service="bedrock") == []


GEVENT_SCRIPT = """
from gevent import monkey
monkey.patch_all()
import sys, time
import gevent
from tests.contracts.emulated_aws import worker_settings
from workers.errors import ReplyCancelled
from workers.language_model.aws_nova import AwsNova
from workers.language_model.contract import ModelMessage, ModelOptions, ModelRequest, TextPart
from workers.settings import AwsSettings

nova = AwsNova(worker_settings(AwsSettings(region="us-east-1", bedrock_endpoint_url=sys.argv[1])))
asked = ModelRequest("", (ModelMessage("user", (TextPart("hi"),)),), ModelOptions("us.amazon.nova-pro-v1:0"))
reply = gevent.spawn(lambda: list(nova.stream(asked)))
gevent.get_hub().threadpool.apply(sys.stdin.readline)
began = time.monotonic()
try:
    reply.kill(ReplyCancelled, timeout=5)
    reply.get(timeout=0)
except ReplyCancelled:
    print("cancelled", (time.monotonic() - began) * 1000, time.monotonic() * 1000, flush=True)
"""


@pytest.mark.parametrize("headers_ms", [0, 30_000], ids=["waiting for a token", "waiting for headers"])
def test_a_cancelled_greenlet_ends_its_call_while_it_waits(aws: EmulatorProcess, headers_ms: int) -> None:
    aws.script(bedrock=[{"headers_ms": headers_ms, "first_token_ms": 30_000}])
    url = aws.env()["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"]
    command = [sys.executable, "-c", GEVENT_SCRIPT, url]
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(
        command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as worker:
        aws.wait_for_calls(1, service="bedrock", open=True, timeout_seconds=30)
        output, _ = worker.communicate("now\n", timeout=30)
    word, took_ms, cancelled_at_ms = output.split()
    (call,) = calls(aws, 1)
    assert word == "cancelled"
    assert float(took_ms) < 300
    assert call["outcome"] == "client_closed"
    assert call["closed_ms"] - float(cancelled_at_ms) < 300
