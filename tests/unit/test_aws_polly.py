"""The Polly provider with unmodified boto3 against the emulator: what it sends, fall-backs, and every fault."""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any, cast

import pytest

from tests.aws_emulator.process import EmulatorProcess
from tests.contracts.emulated_aws import aws_settings, emulated_aws, worker_settings
from workers import aws_clients
from workers.errors import (
    ProviderError,
    ProviderRefusedError,
    ProviderThrottledError,
    ProviderTimeoutError,
    ProviderUnavailableError,
)
from workers.text_to_speech import aws_polly
from workers.text_to_speech.aws_polly import AwsPolly
from workers.text_to_speech.contract import SpeechChunk, VoiceOptions

RUTH = VoiceOptions("Ruth", "generative", "en-US")
ZHIYU = VoiceOptions("Zhiyu", "generative", "zh-CN")
SENTENCE = "It is a fine day for a walk."


@pytest.fixture(scope="module")
def running_aws() -> Iterator[EmulatorProcess]:
    with emulated_aws() as aws:
        yield aws


@pytest.fixture
def aws(running_aws: EmulatorProcess, monkeypatch: pytest.MonkeyPatch) -> EmulatorProcess:
    running_aws.reset()
    monkeypatch.setattr(aws_clients, "RETRY_BASE_SECONDS", 0.01)
    return running_aws


@pytest.fixture
def polly(aws: EmulatorProcess) -> AwsPolly:
    return AwsPolly(worker_settings(aws_settings(aws)))


def calls(aws: EmulatorProcess, count: int, **wanted: Any) -> list[dict[str, Any]]:
    return aws.wait_for_calls(count, service="polly", open=False, **wanted)


def speak(polly: AwsPolly, text: str = SENTENCE, voice: VoiceOptions = RUTH) -> list[SpeechChunk]:
    return list(polly.synthesize(text, voice))


def pcm(chunks: list[SpeechChunk]) -> bytes:
    return b"".join(chunk.pcm for chunk in chunks)


# --- what is sent ------------------------------------------------------------------------------------------------------


def test_the_request_names_everything(aws: EmulatorProcess, polly: AwsPolly) -> None:
    speak(polly)
    asked = calls(aws, 1)[0]["parameters"]
    assert asked == asked | {
        "Text": SENTENCE,
        "OutputFormat": "pcm",
        "SampleRate": "16000",
        "Engine": "generative",
        "VoiceId": "Ruth",
        "LanguageCode": "en-US",
    }


def test_a_chinese_voice_is_asked_in_pollys_chinese(aws: EmulatorProcess, polly: AwsPolly) -> None:
    assert pcm(speak(polly, "你好。", replace(ZHIYU, engine="neural")))
    assert calls(aws, 1)[0]["parameters"]["LanguageCode"] == "cmn-CN"


def test_every_byte_of_the_speech_arrives(aws: EmulatorProcess, polly: AwsPolly) -> None:
    speech = pcm(speak(polly))
    assert len(speech) == calls(aws, 1)[0]["facts"]["speech_bytes"]


def test_chunks_after_the_first_are_100_ms(aws: EmulatorProcess, polly: AwsPolly) -> None:
    _, *middle, _ = speak(polly)
    assert {len(chunk.pcm) for chunk in middle} == {3_200}


def test_the_first_chunk_comes_while_polly_still_sends(aws: EmulatorProcess, polly: AwsPolly) -> None:
    aws.script(polly=[{"pace": 1, "duration_ms": 10_000}])
    with closing(cast(Any, polly.synthesize(SENTENCE, RUTH))) as speech:
        assert next(speech).pcm
        assert aws.journal(service="polly", open=True)
    assert calls(aws, 1)[0]["outcome"] == "client_closed"


def test_one_connection_serves_one_sentence_after_another(aws: EmulatorProcess, polly: AwsPolly) -> None:
    for _ in range(3):
        speak(polly)
    assert len({call["client_port"] for call in calls(aws, 3)}) == 1


def test_a_long_text_is_spoken_in_several_calls_of_whole_sentences(aws: EmulatorProcess, polly: AwsPolly) -> None:
    text = f"{SENTENCE} " * 150
    speak(polly, text)
    asked = [call["parameters"]["Text"] for call in calls(aws, 4)]
    assert all(len(piece) <= 1_000 for piece in asked)
    assert "".join(asked).rstrip() == text.rstrip()
    assert all(piece.rstrip().endswith(".") for piece in asked)


def test_blank_text_makes_no_call(aws: EmulatorProcess, polly: AwsPolly) -> None:
    assert speak(polly, " \n") == []
    assert aws.journal(service="polly") == []


# --- fall-backs ---------------------------------------------------------------------------------------------------------


def test_an_engine_the_voice_lacks_is_tried_once_and_remembered(aws: EmulatorProcess, polly: AwsPolly) -> None:
    assert pcm(speak(polly, "你好。", ZHIYU))
    assert pcm(speak(polly, "再见。", ZHIYU))
    assert [call["parameters"]["Engine"] for call in calls(aws, 3)] == ["generative", "neural", "neural"]


def test_one_voices_fall_back_is_not_anothers(aws: EmulatorProcess, polly: AwsPolly) -> None:
    speak(polly, "你好。", ZHIYU)
    speak(polly)
    assert calls(aws, 3)[-1]["parameters"]["Engine"] == "generative"


def test_engines_are_tried_down_to_standard(aws: EmulatorProcess, polly: AwsPolly) -> None:
    aws.script(
        polly=[
            {"error": {"type": "EngineNotSupportedException"}, "times": 2},
            {"match": {"Engine": "standard"}, "error": {"type": "EngineNotSupportedException"}},
        ]
    )
    with pytest.raises(ProviderRefusedError):
        speak(polly)
    asked = [call["parameters"]["Engine"] for call in calls(aws, 3)]
    assert asked == ["generative", "neural", "standard"]


def test_a_language_the_voice_lacks_is_left_out(aws: EmulatorProcess, polly: AwsPolly) -> None:
    aws.script(polly=[{"error": {"type": "LanguageNotSupportedException"}}])
    assert pcm(speak(polly))
    assert "LanguageCode" not in calls(aws, 2)[-1]["parameters"]


# --- faults --------------------------------------------------------------------------------------------------------------


def test_up_to_two_throttles_are_not_noticed(aws: EmulatorProcess, polly: AwsPolly) -> None:
    aws.script(polly=[{"times": 2, "error": {"type": "ThrottlingException"}}])
    assert pcm(speak(polly))
    assert [call["status"] for call in calls(aws, 3)] == [400, 400, 200]


def test_a_third_throttle_is_told(aws: EmulatorProcess, polly: AwsPolly) -> None:
    aws.script(polly=[{"times": 9, "error": {"type": "ThrottlingException"}}])
    with pytest.raises(ProviderThrottledError):
        speak(polly)
    assert len(calls(aws, 3)) == 3


def test_an_unknown_voice_is_refused_at_once(aws: EmulatorProcess, polly: AwsPolly) -> None:
    with pytest.raises(ProviderRefusedError):
        speak(polly, voice=replace(RUTH, voice="Nobody"))
    assert len(calls(aws, 1)) == 1


def test_first_bytes_that_do_not_come_are_given_up(aws: EmulatorProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws_polly, "FIRST_BYTE_LIMIT_SECONDS", 0.3)
    impatient = AwsPolly(worker_settings(aws_settings(aws)))
    aws.script(polly=[{"times": 9, "first_byte_ms": 60_000}])
    began = time.monotonic()
    with pytest.raises(ProviderTimeoutError):
        speak(impatient)
    assert time.monotonic() - began < 3
    assert len(aws.journal(service="polly")) <= 3


@pytest.mark.parametrize("kind", ["reset", "cut"])
def test_speech_cut_half_way_keeps_whole_samples_and_is_told(aws: EmulatorProcess, polly: AwsPolly, kind: str) -> None:
    aws.script(polly=[{"pace": 20, "fault": {"at_bytes": 10_001, "kind": kind}}])
    heard: list[SpeechChunk] = []
    with pytest.raises(ProviderUnavailableError):
        heard.extend(polly.synthesize(SENTENCE, RUTH))
    assert len(calls(aws, 1)) == 1


def test_whole_samples_of_cut_speech_are_heard_before_the_fault(aws: EmulatorProcess, polly: AwsPolly) -> None:
    aws.script(polly=[{"pace": 20, "fault": {"at_bytes": 10_001, "kind": "cut"}}])
    heard: list[bytes] = []
    try:
        for chunk in polly.synthesize(SENTENCE, RUTH):
            heard.append(chunk.pcm)
    except ProviderError:
        heard.append(b"")
    assert heard[-1] == b""
    assert 6_400 <= len(b"".join(heard)) <= 10_000
    assert all(len(piece) % 2 == 0 for piece in heard)


def test_a_stall_in_the_middle_is_given_up(
    aws: EmulatorProcess, polly: AwsPolly, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws_polly, "GAP_LIMIT_SECONDS", 0.3)
    aws.script(polly=[{"fault": {"at_bytes": 9_600, "kind": "stall"}}])
    with pytest.raises(ProviderTimeoutError):
        speak(polly)


def test_a_fault_before_the_first_byte_is_not_noticed(aws: EmulatorProcess, polly: AwsPolly) -> None:
    aws.script(polly=[{"fault": {"at_bytes": 0, "kind": "reset"}}])
    assert pcm(speak(polly))
    assert len(calls(aws, 2)) == 2


def test_an_empty_body_is_a_fault(aws: EmulatorProcess, polly: AwsPolly) -> None:
    aws.script(polly=[{"times": 9, "duration_ms": 0}])
    with pytest.raises(ProviderUnavailableError):
        speak(polly)


def test_a_body_that_is_no_pcm_is_a_fault(aws: EmulatorProcess, polly: AwsPolly) -> None:
    aws.script(polly=[{"times": 9, "content_type": "text/html"}])
    with pytest.raises(ProviderUnavailableError):
        speak(polly)
