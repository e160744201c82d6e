"""The emulator's own parts: event-stream bytes, signatures, script, journal, its process."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import boto3
import psutil
import pytest
from amazon_transcribe.eventstream import EventStreamMessageSerializer
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.eventstream import EventStreamBuffer
from pydantic import ValidationError

from tests.aws_emulator.event_stream import Decoder, EventStreamError, decode_one, encode
from tests.aws_emulator.process import EmulatorError, EmulatorProcess
from tests.aws_emulator.script import BedrockPlan, Script, ScriptUpdate
from tests.aws_emulator.server import AwsEmulator
from tests.aws_emulator.signature import Keyring, SignatureError, SignedRequest, verify_request

HEADERS: dict[str, Any] = {
    "yes": True,
    "no": False,
    "count": -7,
    "bytes": b"\x00\xff",
    "text": "早",
    "time": datetime(2026, 11, 22, tzinfo=UTC),
    "id": UUID(int=5),
}


@pytest.fixture(scope="module")
def process() -> Iterator[EmulatorProcess]:
    with EmulatorProcess() as running:
        yield running


@pytest.fixture
def aws(process: EmulatorProcess) -> EmulatorProcess:
    process.reset()
    return process


def test_botocore_reads_what_is_encoded() -> None:
    buffer = EventStreamBuffer()
    buffer.add_data(encode({"a": "text", "b": 3, "c": True}, b"payload"))
    event: Any = next(buffer)
    assert event.headers == {"a": "text", "b": 3, "c": True}
    assert event.payload == b"payload"


def test_what_amazon_transcribe_writes_is_decoded() -> None:
    message = decode_one(EventStreamMessageSerializer().serialize(HEADERS, b"payload"))
    assert (message.headers, message.payload) == (HEADERS, b"payload")


@pytest.mark.parametrize("step", [1, 7, 1_000])
def test_messages_are_found_however_the_bytes_are_cut(step: int) -> None:
    data = encode({"n": 1}, b"one") + encode({"n": 2}, b"") + encode({"n": 3}, b"three")
    decoder = Decoder()
    payloads = [m.payload for at in range(0, len(data), step) for m in decoder.feed(data[at : at + step])]
    assert payloads == [b"one", b"", b"three"]


@pytest.mark.parametrize("at", [0, 4, 8, 12, 20, -1])
def test_any_changed_byte_is_noticed(at: int) -> None:
    data = bytearray(encode({"name": "value"}, b"payload"))
    data[at] ^= 1
    with pytest.raises(EventStreamError):
        decode_one(bytes(data))


def signed_request(age: timedelta = timedelta(), service: str = "polly") -> SignedRequest:
    request = AWSRequest("POST", "http://localhost/v1/speech", data=b"{}")
    SigV4Auth(Credentials("key", "secret"), service, "us-east-1").add_auth(request)
    if age:
        moment = (datetime.now(UTC) - age).strftime("%Y%m%dT%H%M%SZ")
        request.headers.replace_header("X-Amz-Date", moment)
        authorization = request.headers["Authorization"]
        day = authorization.split("Credential=key/")[1][:8]
        request.headers.replace_header("Authorization", authorization.replace(day, moment[:8], 1))
    headers = (("Host", "localhost"), *request.headers.items())
    return SignedRequest("POST", "/v1/speech", headers, b"{}")


def verdict(request: SignedRequest, keyring: Keyring | None = None) -> str:
    try:
        verify_request(request, "polly", keyring or Keyring({"key": "secret"}))
    except SignatureError as error:
        return error.error_type
    return "accepted"


def test_a_true_signature_is_accepted() -> None:
    assert verdict(signed_request()) == "accepted"


def test_a_changed_body_breaks_the_signature() -> None:
    request = signed_request()
    changed = SignedRequest(request.method, request.target, request.headers, b"{ }")
    assert verdict(changed) == "InvalidSignatureException"


def test_a_clock_six_minutes_off_is_refused() -> None:
    assert verdict(signed_request(age=timedelta(minutes=6))) == "InvalidSignatureException"


def test_a_signature_for_another_service_is_refused() -> None:
    assert verdict(signed_request(service="bedrock")) == "InvalidSignatureException"


def test_no_signature_is_refused() -> None:
    bare = SignedRequest("POST", "/v1/speech", (("Host", "localhost"),), b"{}")
    assert verdict(bare) == "MissingAuthenticationTokenException"


def test_half_a_signature_is_refused() -> None:
    request = signed_request()
    cut = tuple((n, v.split(", Signature")[0] if n == "Authorization" else v) for n, v in request.headers)
    assert verdict(SignedRequest("POST", "/v1/speech", cut, b"{}")) == "IncompleteSignatureException"


def test_an_unknown_key_is_refused_unless_allowed() -> None:
    assert verdict(signed_request(), Keyring({})) == "UnrecognizedClientException"
    assert verdict(signed_request(), Keyring({}, accept_unknown=True)) == "accepted"


def test_an_expired_key_is_refused() -> None:
    assert verdict(signed_request(), Keyring({"key": "secret"}, expired={"key"})) == "ExpiredTokenException"


def test_an_update_changes_only_the_fields_it_names() -> None:
    script = Script()
    script.apply(
        ScriptUpdate.model_validate({"defaults": {"polly": {"pace": 20}}, "settings": {"polly_concurrent": 3}})
    )
    script.apply(ScriptUpdate.model_validate({"defaults": {"polly": {"first_byte_ms": 5}}}))
    assert (script.polly.default.pace, script.polly.default.first_byte_ms) == (20, 5)
    assert script.settings.polly_concurrent == 3


def test_an_unknown_field_of_a_script_is_refused_by_name(aws: EmulatorProcess) -> None:
    with pytest.raises(EmulatorError, match="firts_token_ms"):
        aws.script(bedrock=[{"firts_token_ms": 5}])


async def test_a_function_answers_calls_that_no_plan_awaits() -> None:
    emulator = AwsEmulator()
    await emulator.start()
    emulator.answer_bedrock(lambda facts: BedrockPlan(text=f"{len(facts['roles'])} message"))
    env = emulator.env()

    def ask() -> str:
        client = boto3.client(
            "bedrock-runtime",
            endpoint_url=env["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"],
            region_name=env["AWS_REGION"],
            aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
        )
        messages: Any = [{"role": "user", "content": [{"text": "Hi"}]}]
        events = client.converse_stream(modelId="amazon.nova-lite-v1:0", messages=messages)["stream"]
        deltas = [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]
        return "".join(delta.get("text", "") for delta in deltas)

    assert await asyncio.to_thread(ask) == "1 message"
    await emulator.stop()


def test_an_operation_nobody_serves_is_refused_and_journaled(aws: EmulatorProcess) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(aws.addresses.http + "/model/x/invoke", b"{}")
    assert aws.journal(service="unknown")[0]["operation"] == "POST /model/x/invoke"


async def test_the_in_process_emulator_takes_the_same_script() -> None:
    emulator = AwsEmulator()
    with pytest.raises(ValidationError, match="pase"):
        emulator.script(polly=[{"pase": 3}])


def polly(aws: EmulatorProcess, text: str) -> None:
    env = aws.env()
    client = boto3.client(
        "polly",
        endpoint_url=env["AWS_ENDPOINT_URL_POLLY"],
        region_name=env["AWS_REGION"],
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
    )
    client.synthesize_speech(Text=text, VoiceId="Amy", OutputFormat="pcm")["AudioStream"].read()


def test_the_journal_is_filtered_by_any_field_fact_or_parameter(aws: EmulatorProcess) -> None:
    for text in ("one", "two", "three"):
        polly(aws, text)
    ids = [call["id"] for call in aws.wait_for_calls(3, open=False)]
    assert [call["id"] for call in aws.journal(Text="two")] == [ids[1]]
    assert [call["id"] for call in aws.journal(service="polly", since=ids[1])] == [ids[2]]
    assert aws.journal(service="bedrock") == []
    assert aws.journal(open=True) == []


def test_the_journals_clock_is_the_machines(aws: EmulatorProcess) -> None:
    before_ms = time.monotonic() * 1000
    polly(aws, "now")
    (call,) = aws.wait_for_calls(1, open=False)
    assert before_ms <= call["opened_ms"] <= call["closed_ms"] <= time.monotonic() * 1000


def test_reset_forgets_script_and_journal(aws: EmulatorProcess) -> None:
    aws.script(polly=[{"pace": 3}], texts=["x"], settings={"polly_concurrent": 1})
    polly(aws, "one")
    aws.reset()
    with urllib.request.urlopen(aws.addresses.http + "/_script") as answer:
        state = json.loads(answer.read())
    assert aws.journal() == []
    assert (state["polly"], state["texts"], state["settings"]["polly_concurrent"]) == ([], [], None)


def test_waiting_for_calls_that_never_come_says_what_came(aws: EmulatorProcess) -> None:
    with pytest.raises(EmulatorError, match="0 of 1 calls"):
        aws.wait_for_calls(1, timeout_seconds=0.05)


def test_the_emulator_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    written = tmp_path / "pid"
    program = (
        "import sys, pathlib, signal\n"
        "from tests.aws_emulator.process import EmulatorProcess\n"
        "pathlib.Path(sys.argv[1]).write_text(str(EmulatorProcess().start().pid))\n"
        "signal.pause()\n"
    )
    root = Path(__file__).resolve().parents[2]
    parent = subprocess.Popen([sys.executable, "-c", program, str(written)], cwd=root)
    deadline = time.monotonic() + 30
    while not (written.exists() and written.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    emulator = psutil.Process(int(written.read_text()))
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait(10)
    emulator.wait(10)
