"""The emulator's Bedrock, driven by unmodified boto3."""

import io
import os
import threading
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.eventstream import ParserError
from botocore.exceptions import BotoCoreError, ClientError, EventStreamError
from mypy_boto3_bedrock_runtime import BedrockRuntimeClient
from PIL import Image
from urllib3.exceptions import HTTPError

from tests.aws_emulator.process import EmulatorProcess

NOVA = "us.amazon.nova-pro-v1:0"
NOVA_2 = "us.amazon.nova-2-lite-v1:0"
TOOLS = {"tools": [{"toolSpec": {"name": "current_time", "inputSchema": {"json": {"type": "object"}}}}]}
Message = Any
Messages = list[Message]


@pytest.fixture(scope="module")
def process() -> Iterator[EmulatorProcess]:
    with EmulatorProcess() as running:
        yield running


@pytest.fixture
def aws(process: EmulatorProcess) -> EmulatorProcess:
    process.reset()
    return process


def client(aws: EmulatorProcess, secret: str | None = None) -> BedrockRuntimeClient:
    env = aws.env()
    return boto3.client(
        "bedrock-runtime",
        endpoint_url=env["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"],
        region_name=env["AWS_REGION"],
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=secret or env["AWS_SECRET_ACCESS_KEY"],
        config=Config(retries={"total_max_attempts": 1}, read_timeout=10),
    )


def user(*content: dict[str, Any]) -> Message:
    return {"role": "user", "content": list(content)}


def assistant(*content: dict[str, Any]) -> Message:
    return {"role": "assistant", "content": list(content)}


def said(text: str) -> dict[str, str]:
    return {"text": text}


def picture(side: int = 32, image_format: str = "jpeg") -> dict[str, Any]:
    data = io.BytesIO()
    Image.new("RGB", (side, side), "red").save(data, image_format)
    return {"image": {"format": image_format, "source": {"bytes": data.getvalue()}}}


def ask(aws: EmulatorProcess, messages: Messages | None = None, model: str = NOVA, **more: Any) -> list[Any]:
    messages = messages or [user(said("Tell me about cats."))]
    return list(client(aws).converse_stream(modelId=model, messages=messages, **more)["stream"])


def text_of(events: list[Any]) -> str:
    deltas = [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]
    return "".join(delta.get("text", "") for delta in deltas)


def refusal(aws: EmulatorProcess, messages: Messages, **more: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        ask(aws, messages, **more)
    return refused.value.response["Error"]["Code"], refused.value.response["Error"]["Message"]


def test_the_default_reply_repeats_the_users_last_words_in_two_sentences(aws: EmulatorProcess) -> None:
    text = text_of(ask(aws))
    assert "about cats" in text
    assert text.count(".") == 2


def test_the_default_reply_to_chinese_is_chinese(aws: EmulatorProcess) -> None:
    text = text_of(ask(aws, [user(said("今天天气怎么样？"))]))
    assert "天气怎么样" in text
    assert "，" in text
    assert "。" in text


def test_the_default_reply_to_a_tools_result_holds_it(aws: EmulatorProcess) -> None:
    asked = {"toolUse": {"toolUseId": "t1", "name": "current_time", "input": {}}}
    answered = {"toolResult": {"toolUseId": "t1", "content": [{"text": "noon"}]}}
    assert "noon" in text_of(ask(aws, [user(said("Time?")), assistant(asked), user(answered)], toolConfig=TOOLS))


def test_a_reply_has_the_events_of_the_service_in_order(aws: EmulatorProcess) -> None:
    aws.script(bedrock=[{"deltas": ["A cat.", " It sleeps."]}])
    assert [next(iter(event)) for event in ask(aws)] == [
        "messageStart",
        "contentBlockDelta",
        "contentBlockDelta",
        "contentBlockStop",
        "messageStop",
        "metadata",
    ]


def test_queued_replies_come_in_turn_and_then_the_default(aws: EmulatorProcess) -> None:
    aws.script(bedrock=[{"text": "One."}, {"text": "Two."}], defaults={"bedrock": {"text": "More."}})
    assert [text_of(ask(aws)) for _ in range(4)] == ["One.", "Two.", "More.", "More."]


def test_a_reply_is_chosen_by_the_users_words(aws: EmulatorProcess) -> None:
    aws.script(bedrock=[{"match": {"last_user_text": "dogs"}, "text": "Dogs."}])
    assert text_of(ask(aws)) != "Dogs."
    assert text_of(ask(aws, [user(said("Now dogs!"))])) == "Dogs."


def test_a_tool_request_follows_the_text_and_stops_for_the_tool(aws: EmulatorProcess) -> None:
    aws.script(bedrock=[{"text": "Let me look.", "tool_use": {"name": "current_time", "input": {"zone": "UTC"}}}])
    events = ask(aws, toolConfig=TOOLS)
    start = next(event["contentBlockStart"] for event in events if "contentBlockStart" in event)
    written = "".join(
        event["contentBlockDelta"]["delta"]["toolUse"]["input"]
        for event in events
        if "toolUse" in event.get("contentBlockDelta", {}).get("delta", {})
    )
    assert start["start"]["toolUse"]["name"] == "current_time"
    assert written == '{"zone": "UTC"}'
    assert {"messageStop": {"stopReason": "tool_use"}} in events


def test_a_tool_with_a_hyphen_fails_in_mid_stream_as_nova_does(aws: EmulatorProcess) -> None:
    aws.script(bedrock=[{"tool_use": {"name": "current-time"}}])
    with pytest.raises(EventStreamError, match="invalid sequence as part of ToolUse"):
        ask(aws)


@pytest.mark.parametrize("reason", ["max_tokens", "content_filtered", "guardrail_intervened", "never_heard_of"])
def test_any_stop_reason_can_be_scripted(aws: EmulatorProcess, reason: str) -> None:
    aws.script(bedrock=[{"text": "So.", "stop_reason": reason}])
    assert {"messageStop": {"stopReason": reason}} in ask(aws)


def test_tokens_leave_at_their_pace(aws: EmulatorProcess) -> None:
    aws.script(bedrock=[{"deltas": list("abcde"), "first_token_ms": 80, "token_ms": 20}])
    ask(aws)
    (call,) = aws.wait_for_calls(1, full=True, open=False)
    sent = [event["ms"] - call["opened_ms"] for event in call["events"] if event["type"] == "contentBlockDelta"]
    assert sent[0] >= 80
    assert sent[-1] >= 160


def test_headers_can_come_before_the_first_token(aws: EmulatorProcess) -> None:
    aws.script(bedrock=[{"headers_ms": 0, "first_token_ms": 100}])
    ask(aws)
    (call,) = aws.wait_for_calls(1, full=True, open=False)
    headers, first = call["events"][:2]
    assert (headers["type"], first["type"]) == ("headers", "messageStart")
    assert first["ms"] - call["opened_ms"] >= 100
    assert headers["ms"] < first["ms"]


def test_throttling_before_the_stream_lasts_as_many_calls_as_scripted(aws: EmulatorProcess) -> None:
    aws.script(bedrock=[{"error": {"type": "ThrottlingException"}, "times": 2}, {"text": "Now."}])
    codes = [refusal(aws, [user(said("Hi"))])[0] for _ in range(2)]
    assert codes == ["ThrottlingException"] * 2
    assert text_of(ask(aws)) == "Now."
    assert [call["status"] for call in aws.journal()] == [429, 429, 200]


@pytest.mark.parametrize("at_event", [0, 1, 5])
@pytest.mark.parametrize(
    "kind",
    [
        "throttlingException",
        "modelStreamErrorException",
        "internalServerException",
        "serviceUnavailableException",
        "validationException",
    ],
)
def test_an_exception_in_mid_stream_follows_that_many_events(aws: EmulatorProcess, at_event: int, kind: str) -> None:
    fault = {"at_event": at_event, "kind": "exception", "exception": kind}
    aws.script(bedrock=[{"text": "one two three four five six", "fault": fault}])
    stream = client(aws).converse_stream(modelId=NOVA, messages=[user(said("Hi"))])["stream"]
    seen: list[Any] = []
    with pytest.raises(EventStreamError) as failed:
        seen.extend(stream)
    assert len(seen) == at_event
    assert failed.value.response["Error"]["Code"] == kind


@pytest.mark.parametrize("kind", ["reset", "cut", "bad_crc", "garbage"])
def test_a_broken_stream_is_an_error_of_the_sdk(aws: EmulatorProcess, kind: str) -> None:
    aws.script(bedrock=[{"text": "one two three", "fault": {"at_event": 3, "kind": kind}}])
    with pytest.raises((BotoCoreError, HTTPError, ParserError)):
        ask(aws)
    assert aws.wait_for_calls(1, open=False)[0]["outcome"] == "fault"


def test_a_clean_end_without_message_stop_is_silent(aws: EmulatorProcess) -> None:
    aws.script(bedrock=[{"text": "one two three", "fault": {"at_event": 3, "kind": "end"}}])
    assert [next(iter(event)) for event in ask(aws)] == [
        "messageStart",
        "contentBlockDelta",
        "contentBlockDelta",
    ]


def test_raw_events_are_sent_in_whatever_order_they_are_written(aws: EmulatorProcess) -> None:
    stop: dict[str, Any] = {"messageStop": {"stopReason": "end_turn"}}
    aws.script(bedrock=[{"events": [stop, {"messageStart": {"role": "assistant"}}, stop]}])
    assert [next(iter(event)) for event in ask(aws)] == ["messageStop", "messageStart", "messageStop"]


def test_usage_can_be_left_out(aws: EmulatorProcess) -> None:
    aws.script(bedrock=[{"metadata": False}])
    assert "metadata" not in [next(iter(event)) for event in ask(aws)]


def test_a_client_that_closes_a_stalled_stream_is_journaled_as_early(aws: EmulatorProcess) -> None:
    aws.script(bedrock=[{"fault": {"at_event": 2, "kind": "stall"}}])
    stream = client(aws).converse_stream(modelId=NOVA, messages=[user(said("Hi"))])["stream"]
    next(iter(stream))
    closed_ms = time.monotonic() * 1000
    stream.close()
    (call,) = aws.wait_for_calls(1, open=False)
    assert call["outcome"] == "client_closed"
    assert call["closed_ms"] >= closed_ms


def test_a_dripped_reply_is_whole(aws: EmulatorProcess) -> None:
    aws.script(bedrock=[{"text": "one two", "drip_bytes": 64}])
    assert text_of(ask(aws)) == "one two"


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([assistant(said("Hi"))], "must start with a user message"),
        ([user(said("Hi")), user(said("Hi"))], "must alternate between user and assistant"),
        ([user(said(" \n"))], "messages.0.content.0 is blank"),
        ([user(said("Hi")), assistant(said("")), user(said("Hi"))], "messages.1.content.0 is blank"),
        ([user()], "messages.0 is empty"),
        ([user(said("Hi")), assistant(picture()), user(said("Hi"))], "only supported in a user message"),
        ([user(picture(), *[picture(8)] * 20)], "too many images"),
        ([user(picture(side=8_001))], "exceed max allowed size"),
        ([user({"image": {"format": "png", "source": {"bytes": b"text"}}})], "Could not process image"),
        ([user({"image": {"format": "png", "source": {"bytes": bytes(3_932_161)}}})], "exceeds 3.75 MB"),
        ([user({"image": picture()["image"] | {"format": "png"}})], "appears to be a image/jpeg"),
    ],
)
def test_a_conversation_the_service_refuses_is_refused(aws: EmulatorProcess, messages: Messages, words: str) -> None:
    code, message = refusal(aws, messages)
    assert code == "ValidationException"
    assert words in message


def test_twenty_images_are_taken_by_nova_1_and_five_by_nova_2(aws: EmulatorProcess) -> None:
    assert ask(aws, [user(*[picture(8)] * 20, said("Look"))])
    assert ask(aws, [user(*[picture(8)] * 5, said("Look"))], model=NOVA_2)
    assert "too many images" in refusal(aws, [user(*[picture(8)] * 6, said("Look"))], model=NOVA_2)[1]


USE = {"toolUse": {"toolUseId": "t1", "name": "current_time", "input": {}}}
RESULT = {"toolResult": {"toolUseId": "t1", "content": [{"text": "noon"}]}}


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        (
            [user(said("Hi")), assistant(USE), user(said("No"))],
            "Expected toolResult blocks at messages.2.content",
        ),
        ([user(RESULT)], "exceeds the number of toolUse blocks"),
        ([user(said("Hi")), assistant(USE, USE), user(RESULT)], "duplicate Ids"),
        ([user(said("Hi")), assistant({"toolUse": USE["toolUse"] | {"toolUseId": "a b"}})], "toolUse.toolUseId"),
        ([user(said("Hi")), assistant({"toolUse": USE["toolUse"] | {"name": "a b"}})], "toolUse.name"),
    ],
)
def test_a_tool_use_and_its_result_must_pair(aws: EmulatorProcess, messages: Messages, words: str) -> None:
    assert words in refusal(aws, messages, toolConfig=TOOLS)[1]


def test_tool_blocks_need_a_tool_config(aws: EmulatorProcess) -> None:
    assert "toolConfig field must be defined" in refusal(aws, [user(said("Hi")), assistant(USE), user(RESULT)])[1]


def test_two_tools_of_one_name_are_refused(aws: EmulatorProcess) -> None:
    twice = {"tools": TOOLS["tools"] * 2}
    assert "duplicate names" in refusal(aws, [user(said("Hi"))], toolConfig=twice)[1]


def test_nova_refuses_a_forced_tool_and_definitions_in_a_schema(aws: EmulatorProcess) -> None:
    forced = TOOLS | {"toolChoice": {"tool": {"name": "current_time"}}}
    schema = {"json": {"type": "object", "definitions": {}}}
    defined = {"tools": [{"toolSpec": {"name": "x", "inputSchema": schema}}]}
    assert "toolChoice.tool" in refusal(aws, [user(said("Hi"))], toolConfig=forced)[1]
    assert "definitions" in refusal(aws, [user(said("Hi"))], toolConfig=defined)[1]


def test_an_unknown_model_is_refused(aws: EmulatorProcess) -> None:
    assert "model identifier is invalid" in refusal(aws, [user(said("Hi"))], model="someone.else-v1:0")[1]


def test_a_wrong_secret_is_refused(aws: EmulatorProcess) -> None:
    with pytest.raises(ClientError) as refused:
        client(aws, secret="wrong").converse_stream(modelId=NOVA, messages=[user(said("Hi"))])
    assert refused.value.response["Error"]["Code"] == "InvalidSignatureException"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_the_journal_holds_the_request_its_images_and_whether_max_tokens_was_set(
    aws: EmulatorProcess,
) -> None:
    ask(aws, [user(picture(40), said("Look"))], inferenceConfig={"maxTokens": 200})
    ask(aws)
    first, second = aws.wait_for_calls(2, full=True, open=False)
    assert [call["facts"]["max_tokens_set"] for call in (first, second)] == [True, False]
    assert first["facts"]["images"][0]["width"] == 40
    assert first["request"]["messages"][0]["content"][0]["image"]["source"]["bytes"].startswith("/9j/")


def test_the_journal_names_the_process_that_owns_a_connection(aws: EmulatorProcess) -> None:
    aws.script(settings={"record_pids": True})
    ask(aws)
    assert aws.wait_for_calls(1, open=False)[0]["client_pid"] == os.getpid()


def test_many_streams_run_at_once(aws: EmulatorProcess) -> None:
    aws.script(defaults={"bedrock": {"first_token_ms": 2_500}})
    threads = [threading.Thread(target=ask, args=(aws,)) for _ in range(8)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    calls = aws.wait_for_calls(8, outcome="completed")
    latest_start, first_end = max(c["opened_ms"] for c in calls), min(c["closed_ms"] for c in calls)
    assert time.monotonic() - started < 10
    assert latest_start < first_end
