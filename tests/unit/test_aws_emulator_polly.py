"""The emulator's Polly, driven by unmodified boto3."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import boto3
import numpy as np
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ResponseStreamingError
from mypy_boto3_polly import PollyClient

from tests.aws_emulator.process import EmulatorProcess


@pytest.fixture(scope="module")
def process() -> Iterator[EmulatorProcess]:
    with EmulatorProcess() as running:
        yield running


@pytest.fixture
def aws(process: EmulatorProcess) -> EmulatorProcess:
    process.reset()
    return process


def client(aws: EmulatorProcess) -> PollyClient:
    env = aws.env()
    return boto3.client(
        "polly",
        endpoint_url=env["AWS_ENDPOINT_URL_POLLY"],
        region_name=env["AWS_REGION"],
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
        config=Config(retries={"total_max_attempts": 1}, read_timeout=10),
    )


def request(text: str = "Hello there.", **changes: Any) -> dict[str, Any]:
    return {"Text": text, "VoiceId": "Joanna", "Engine": "neural", "OutputFormat": "pcm"} | changes


def speak(aws: EmulatorProcess, text: str = "Hello there.", **changes: Any) -> bytes:
    body: bytes = client(aws).synthesize_speech(**request(text, **changes))["AudioStream"].read()
    return body


def refusal(aws: EmulatorProcess, **changes: Any) -> str:
    with pytest.raises(ClientError) as refused:
        speak(aws, **changes)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return str(refused.value.response["Error"]["Code"])


@pytest.mark.parametrize("rate_hz", [8_000, 16_000])
def test_speech_lasts_60_ms_a_character(aws: EmulatorProcess, rate_hz: int) -> None:
    assert len(speak(aws, "x" * 50, SampleRate=str(rate_hz))) == 50 * 60 * rate_hz // 1000 * 2


def test_speech_has_energy(aws: EmulatorProcess) -> None:
    samples = np.frombuffer(speak(aws), dtype="<i2").astype(float)
    assert np.sqrt(np.mean(samples**2)) > 1_000


def test_a_scripted_tone_is_pure(aws: EmulatorProcess) -> None:
    aws.script(polly=[{"tone_hz": 3_000, "duration_ms": 1_000}])
    samples = np.frombuffer(speak(aws), dtype="<i2").astype(float)
    power = np.abs(np.fft.rfft(samples)) ** 2
    assert int(np.argmax(power)) == 3_000
    assert power[3_000] / (power.sum() - power[3_000]) > 1e6


def test_the_characters_are_counted_for_the_bill(aws: EmulatorProcess) -> None:
    assert client(aws).synthesize_speech(**request("Hello"))["RequestCharacters"] == 5


def test_the_tags_of_ssml_are_not_spoken(aws: EmulatorProcess) -> None:
    plain = speak(aws, "Hello")
    assert speak(aws, "<speak><amazon:domain name='news'>Hello</amazon:domain></speak>", TextType="ssml") == plain


def test_the_journal_knows_what_was_said_by_whom_and_how_much_left(aws: EmulatorProcess) -> None:
    sound = speak(aws, "你好。", VoiceId="Zhiyu", LanguageCode="cmn-CN")
    (call,) = aws.wait_for_calls(1, service="polly", open=False)
    assert call["parameters"]["VoiceId"] == "Zhiyu"
    assert call["parameters"]["LanguageCode"] == "cmn-CN"
    assert call["facts"]["speech_sha256"] == hashlib.sha256(sound).hexdigest()
    assert call["facts"]["speech_bytes"] == len(sound)


def test_the_first_byte_waits_as_scripted_and_the_rest_is_paced(aws: EmulatorProcess) -> None:
    aws.script(polly=[{"first_byte_ms": 80, "pace": 10, "duration_ms": 1_000}])
    assert len(speak(aws)) == 32_000
    (call,) = aws.wait_for_calls(1, full=True, open=False)
    sent = [event["ms"] - call["opened_ms"] for event in call["events"] if event["type"] == "speech"]
    assert sent[0] >= 80
    assert sent[-1] >= 170


def test_word_marks_count_bytes_and_keep_the_pace_of_the_speech(aws: EmulatorProcess) -> None:
    body = speak(aws, "Hé you", OutputFormat="json", SpeechMarkTypes=["word"])
    marks = [json.loads(line) for line in body.splitlines()]
    assert marks == [
        {"time": 0, "type": "word", "start": 0, "end": 3, "value": "Hé"},
        {"time": 180, "type": "word", "start": 4, "end": 7, "value": "you"},
    ]


def test_sentence_marks_come_before_their_words(aws: EmulatorProcess) -> None:
    body = speak(aws, "Hi. Bye.", OutputFormat="json", SpeechMarkTypes=["word", "sentence"])
    marks = [json.loads(line) for line in body.splitlines()]
    assert [(mark["type"], mark["value"]) for mark in marks] == [
        ("sentence", "Hi."),
        ("word", "Hi"),
        ("sentence", "Bye."),
        ("word", "Bye"),
    ]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"text": "x" * 3_001}, "TextLengthExceededException"),
        ({"text": f"<speak>{'<p/>' * 1_500}x</speak>", "TextType": "ssml"}, "TextLengthExceededException"),
        ({"text": "<speak>R&D</speak>", "TextType": "ssml"}, "InvalidSsmlException"),
        ({"SampleRate": "24000"}, "InvalidSampleRateException"),
        ({"VoiceId": "Nobody"}, "ValidationException"),
        ({"Engine": "generative", "VoiceId": "Zhiyu"}, "EngineNotSupportedException"),
        ({"VoiceId": "Olivia", "Engine": "standard"}, "EngineNotSupportedException"),
        ({"LanguageCode": "cmn-CN"}, "LanguageNotSupportedException"),
        ({"SpeechMarkTypes": ["word"]}, "MarksNotSupportedForFormatException"),
        ({"OutputFormat": "mp3"}, "ValidationException"),
    ],
)
def test_what_the_service_refuses_is_refused(aws: EmulatorProcess, changes: dict[str, Any], code: str) -> None:
    assert refusal(aws, **changes) == code


def test_3000_characters_are_taken(aws: EmulatorProcess) -> None:
    aws.script(polly=[{"duration_ms": 10}])
    assert len(speak(aws, "x" * 3_000)) == 320


def test_throttling_is_status_400_and_lasts_as_scripted(aws: EmulatorProcess) -> None:
    aws.script(polly=[{"error": {"type": "ThrottlingException"}}])
    assert refusal(aws) == "ThrottlingException"
    assert speak(aws)


def test_a_quota_of_requests_a_second_throttles(aws: EmulatorProcess) -> None:
    aws.script(settings={"polly_requests_per_second": 2}, defaults={"polly": {"duration_ms": 1}})
    speak(aws)
    speak(aws)
    assert refusal(aws) == "ThrottlingException"


@pytest.mark.parametrize(("kind", "words"), [("reset", "reset by peer"), ("cut", "(?i)incomplete")])
def test_a_broken_body_is_an_error_of_the_sdk(aws: EmulatorProcess, kind: str, words: str) -> None:
    aws.script(polly=[{"fault": {"at_bytes": 1_001, "kind": kind}}])
    with pytest.raises(ResponseStreamingError, match=words):
        speak(aws)


def test_a_body_can_end_cleanly_in_the_middle_of_a_sample(aws: EmulatorProcess) -> None:
    aws.script(polly=[{"fault": {"at_bytes": 1_001, "kind": "end"}}])
    assert len(speak(aws)) == 1_001


def test_a_body_can_be_empty(aws: EmulatorProcess) -> None:
    aws.script(polly=[{"duration_ms": 0, "content_type": "text/plain"}])
    answer = client(aws).synthesize_speech(**request())
    assert (answer["AudioStream"].read(), answer["ContentType"]) == (b"", "text/plain")


def test_a_client_that_leaves_a_paced_answer_is_journaled_as_early(aws: EmulatorProcess) -> None:
    aws.script(polly=[{"pace": 1, "duration_ms": 60_000}])
    stream = client(aws).synthesize_speech(**request())["AudioStream"]
    stream.read(100)
    stream.close()
    assert aws.wait_for_calls(1, open=False)[0]["outcome"] == "client_closed"


def test_calls_for_marks_have_plans_and_a_name_of_their_own(aws: EmulatorProcess) -> None:
    aws.script(polly=[{"error": {"type": "ThrottlingException"}}])
    assert speak(aws, OutputFormat="json", SpeechMarkTypes=["word"])
    assert [call["service"] for call in aws.journal()] == ["polly_marks"]


def test_marks_keep_the_pace_of_the_sound_made_of_the_same_text(aws: EmulatorProcess) -> None:
    aws.script(polly=[{"duration_ms": 1_000}])
    speak(aws, "one two 10")
    for duration_ms in (1_000, 200):
        body = speak(aws, "one two 10", OutputFormat="json", SpeechMarkTypes=["word"])
        assert [json.loads(line)["time"] for line in body.splitlines()] == [
            0,
            duration_ms * 4 / 10,
            duration_ms * 8 / 10,
        ]
        aws.script(polly_marks=[{"duration_ms": 200}])
