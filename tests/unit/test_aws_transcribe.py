"""The Transcribe provider over both transports against the emulator: bit-exact audio, idle streams, every fault."""

import asyncio
import contextlib
import logging
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import pytest

from sessions.speech_to_text import aws_transcribe, aws_transcribe_stream
from sessions.speech_to_text.audio_clock import AudioClock
from sessions.speech_to_text.aws_transcribe import AwsTranscribe
from sessions.speech_to_text.aws_transcribe_stream import AwsTranscribeStream
from sessions.speech_to_text.contract import ListeningOptions, SpeechToTextStream, Transcript
from tests.aws_emulator.process import EmulatorProcess
from tests.contracts.emulated_aws import aws_settings, emulated_aws, web_settings
from tests.contracts.speech_to_text_suite import collect, silence
from workers.errors import (
    ConfigurationError,
    ProviderError,
    ProviderRefusedError,
    ProviderThrottledError,
    ProviderTimeoutError,
    ProviderUnavailableError,
)

Open = Callable[..., Awaitable[AwsTranscribeStream]]
Transport = Literal["websocket", "http2"]
IDLE_TEXT = "Your request timed out because no new audio was received for 15 seconds."


@pytest.fixture(scope="module")
def running_aws() -> Iterator[EmulatorProcess]:
    with emulated_aws() as aws:
        yield aws


@pytest.fixture
def aws(running_aws: EmulatorProcess) -> EmulatorProcess:
    running_aws.reset()
    return running_aws


@pytest.fixture(params=["websocket", "http2"])
def transport(request: pytest.FixtureRequest) -> Transport:
    return cast(Transport, request.param)


@pytest.fixture
async def ears(aws: EmulatorProcess, transport: Transport) -> AsyncIterator[AwsTranscribe]:
    ears = AwsTranscribe(web_settings(aws_settings(aws), transport))
    yield ears
    await ears.close()


@pytest.fixture
async def opened(ears: AwsTranscribe) -> AsyncIterator[Open]:
    streams: list[AwsTranscribeStream] = []

    async def open_stream(rate_hz: int = 16_000, language: str = "en-US") -> AwsTranscribeStream:
        streams.append(await ears.open(ListeningOptions(language, rate_hz, "session-1")))
        return streams[-1]

    yield open_stream
    for stream in streams:
        await stream.close()


def noise(seconds: float, rate_hz: int, seed: int = 1) -> bytes:
    samples = np.random.default_rng(seed).normal(0, 6_000, int(rate_hz * seconds))
    return samples.clip(-32_768, 32_767).astype("<i2").tobytes()


async def call_of(aws: EmulatorProcess, **wanted: Any) -> dict[str, Any]:
    found = await asyncio.to_thread(
        lambda: aws.wait_for_calls(1, service="transcribe", open=False, full=True, **wanted)
    )
    return found[-1]


async def say(stream: SpeechToTextStream, pcm: bytes, piece_bytes: int = 3_200) -> None:
    for start in range(0, len(pcm), piece_bytes):
        await stream.send(pcm[start : start + piece_bytes])
        await asyncio.sleep(0.005)


async def within(limit_seconds: float, work: Awaitable[Any]) -> Any:
    async with asyncio.timeout(limit_seconds):
        return await work


# --- what is sent ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 24_000, 48_000])
async def test_audio_arrives_bit_exact(aws: EmulatorProcess, opened: Open, rate_hz: int) -> None:
    stream = await opened(rate_hz)
    sound = noise(1.3, rate_hz)
    listening = asyncio.create_task(collect(stream))
    await say(stream, sound, piece_bytes=rate_hz // 25 + 7)
    await stream.finish()
    await within(20, listening)
    call = await call_of(aws)
    assert await asyncio.to_thread(aws.audio, call["id"]) == sound
    assert call["parameters"]["sample-rate"] == str(rate_hz)


async def test_the_stream_is_asked_for_as_settled(aws: EmulatorProcess, opened: Open) -> None:
    stream = await opened(24_000, "zh-CN")
    await stream.close()
    asked = (await call_of(aws))["parameters"]
    assert asked["language-code"] == "zh-CN"
    assert asked["media-encoding"] == "pcm"
    assert asked["partial-results-stability"] == "high"
    assert asked["enable-partial-results-stabilization"].lower() == "true"


async def test_chunks_are_uniform(aws: EmulatorProcess, opened: Open) -> None:
    stream = await opened()
    await say(stream, silence(1_000, 16_000), piece_bytes=640)
    await stream.close()
    assert {size for _, size in (await call_of(aws))["chunks"]} == {1_920}


async def test_what_a_pausing_client_left_in_mid_chunk_is_sent(
    aws: EmulatorProcess, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws_transcribe_stream, "HOLD_SECONDS", 0.05)
    stream = await opened()
    await stream.send(bytes(3_200))
    await stream.send(b"\x01\x00" * 200)

    def arrived() -> bool:
        chunks = aws.journal(service="transcribe", full=True)[-1]["chunks"]
        return sum(int(size) for _, size in chunks) >= 3_600

    await eventually(arrived)


async def eventually(is_so: Callable[[], bool], limit_seconds: float = 10) -> None:
    deadline = time.monotonic() + limit_seconds
    while not await asyncio.to_thread(is_so):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


# --- transcripts -----------------------------------------------------------------------------------------------------


async def heard_of(aws: EmulatorProcess, opened: Open, results: list[dict[str, Any]]) -> list[Transcript]:
    aws.script(transcribe=[{"results": results}])
    stream = await opened()
    listening = asyncio.create_task(collect(stream))
    await say(stream, silence(1_000, 16_000))
    await stream.finish()
    return cast(list[Transcript], await within(20, listening))


async def test_stable_items_become_stable_text(aws: EmulatorProcess, opened: Open) -> None:
    items = [
        {"content": "turn", "stable": True},
        {"content": "left", "stable": True},
        {"content": ",", "stable": True, "type": "punctuation"},
        {"content": "now", "stable": False},
    ]
    heard = await heard_of(
        aws, opened, [{"at_audio_ms": 100, "text": "turn left, now", "is_partial": True, "items": items}]
    )
    assert (heard[0].text, heard[0].stable_text, heard[0].is_final) == ("turn left, now", "turn left,", False)


async def test_empty_results_are_not_heard(aws: EmulatorProcess, opened: Open) -> None:
    heard = await heard_of(
        aws,
        opened,
        [
            {"at_audio_ms": 100, "text": "", "is_partial": True},
            {"at_audio_ms": 200, "text": "x", "alternatives": False},
            {"at_audio_ms": 300, "text": "hello"},
        ],
    )
    assert [item.text for item in heard] == ["hello"]


async def test_times_are_of_the_clients_audio_in_spite_of_keep_alive_silence(
    aws: EmulatorProcess, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws_transcribe_stream, "KEEP_ALIVE_SECONDS", 0.05)
    aws.script(transcribe=[{"results": [{"at_audio_ms": 500, "text": "late", "start_ms": 450, "end_ms": 500}]}])
    stream = await opened()
    listening = asyncio.create_task(collect(stream))
    (heard,) = await within(20, first(stream, listening))
    assert (heard.start_ms, heard.end_ms) == (0, 0)


async def first(stream: AwsTranscribeStream, listening: "asyncio.Task[list[Transcript]]") -> list[Transcript]:
    await asyncio.sleep(1)
    await stream.close()
    return await listening


# --- idle streams ------------------------------------------------------------------------------------------------------


async def test_an_idle_stream_is_kept_alive(
    aws: EmulatorProcess, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws_transcribe_stream, "KEEP_ALIVE_SECONDS", 0.2)
    aws.script(settings={"transcribe_idle_seconds": 1}, texts=["still here"])
    stream = await opened()
    listening = asyncio.create_task(collect(stream))
    await asyncio.wait([listening], timeout=2.5)
    assert not listening.done()
    await say(stream, noise(0.5, 16_000) + silence(700, 16_000))
    await stream.finish()
    assert (await within(20, listening))[-1].text == "still here"


async def test_a_stream_that_ran_idle_may_be_opened_again(
    aws: EmulatorProcess, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws_transcribe_stream, "KEEP_ALIVE_SECONDS", 60)
    aws.script(settings={"transcribe_idle_seconds": 0.3})
    with pytest.raises(ProviderUnavailableError) as caught:
        await within(10, collect(await opened()))
    assert caught.value.code == "stt_idle"


# --- faults at the opening ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate_hz", [7_999, 48_001])
async def test_a_rate_it_cannot_hear_is_refused_without_a_call(
    aws: EmulatorProcess, opened: Open, rate_hz: int
) -> None:
    with pytest.raises(ProviderRefusedError):
        await opened(rate_hz)
    assert aws.journal(service="transcribe") == []


async def test_a_full_quota_is_busy_and_worth_a_retry(aws: EmulatorProcess, opened: Open) -> None:
    aws.script(settings={"transcribe_streams": 1})
    await opened()
    with pytest.raises(ProviderThrottledError) as caught:
        await within(10, collect(await opened()))
    assert caught.value.code == "stt_busy"
    assert caught.value.retriable


async def test_a_slow_handshake_is_given_up(
    aws: EmulatorProcess, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws_transcribe, "OPEN_LIMIT_SECONDS", 0.4)
    aws.script(transcribe=[{"handshake_ms": 30_000}])
    began = time.monotonic()
    with pytest.raises(ProviderTimeoutError):
        await opened()
    assert time.monotonic() - began < 3
    await eventually(lambda: aws.journal(service="transcribe", open=True) == [])


async def test_a_service_that_is_not_there_is_unavailable(aws: EmulatorProcess, transport: Transport) -> None:
    nowhere = replace(aws_settings(aws), transcribe_endpoint_url="https://127.0.0.1:9")
    with pytest.raises(ProviderUnavailableError):
        await AwsTranscribe(web_settings(nowhere, transport)).open(ListeningOptions("en-US", 16_000, "s"))


async def test_a_certificate_nobody_vouches_for_is_not_trusted(aws: EmulatorProcess, transport: Transport) -> None:
    distrustful = replace(aws_settings(aws), ca_bundle_path=None)
    # awscrt tells nothing about a certificate it refused, so over HTTP/2 it is our time limit that ends the wait.
    with pytest.raises((ProviderUnavailableError, ProviderTimeoutError)):
        await AwsTranscribe(web_settings(distrustful, transport)).open(ListeningOptions("en-US", 16_000, "s"))


def test_a_bundle_that_cannot_be_read_stops_the_start(aws: EmulatorProcess, transport: Transport) -> None:
    broken = replace(aws_settings(aws), ca_bundle_path="no-such-bundle.pem")
    with pytest.raises(ConfigurationError, match="AWS_CA_BUNDLE"):
        AwsTranscribe(web_settings(broken, transport))


async def test_without_credentials_it_is_refused(
    aws: EmulatorProcess, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(ProviderRefusedError):
        await opened()


async def test_a_wrong_secret_is_refused(aws: EmulatorProcess, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(ProviderRefusedError) as caught:
        await within(10, collect(await opened()))
    assert not caught.value.retriable


async def test_expired_credentials_are_read_again_at_the_next_opening(
    aws: EmulatorProcess, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOLDOLDOLDOLDOLD0")
    aws.script(settings={"expired_keys": ["AKIAOLDOLDOLDOLDOLD0"], "accept_unknown_keys": True})
    with pytest.raises(ProviderRefusedError):
        await within(10, collect(await opened()))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", aws.env()["AWS_ACCESS_KEY_ID"])
    stream = await opened()
    await stream.finish()
    await within(10, collect(stream))


async def test_credentials_that_were_renewed_meanwhile_are_noticed_within_one_opening(
    aws: EmulatorProcess, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = "AKIAOLDOLDOLDOLDOLD0"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", old)
    aws.script(settings={"accept_unknown_keys": True})
    await opened()
    aws.script(settings={"expired_keys": [old]})
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", aws.env()["AWS_ACCESS_KEY_ID"])
    stream = await opened()
    await stream.finish()
    await within(10, collect(stream))


# --- faults in the middle ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"kind": "exception", "exception": "InternalFailureException"}, ProviderUnavailableError),
        ({"kind": "exception", "exception": "ServiceUnavailableException"}, ProviderUnavailableError),
        ({"kind": "exception", "exception": "ConflictException"}, ProviderUnavailableError),
        ({"kind": "exception", "exception": "LimitExceededException"}, ProviderThrottledError),
        ({"kind": "exception", "exception": "BadRequestException", "message": IDLE_TEXT}, ProviderUnavailableError),
        ({"kind": "exception", "exception": "BadRequestException", "message": "No."}, ProviderRefusedError),
        ({"kind": "cut"}, ProviderUnavailableError),
        ({"kind": "reset"}, ProviderUnavailableError),
        ({"kind": "bad_crc"}, ProviderUnavailableError),
        ({"kind": "garbage"}, ProviderUnavailableError),
    ],
)
async def test_each_fault_in_the_middle_is_told_by_the_transcripts(
    aws: EmulatorProcess, opened: Open, fault: dict[str, Any], kind: type[ProviderError]
) -> None:
    aws.script(transcribe=[{"faults": [{**fault, "at_audio_ms": 500}]}])
    stream = await opened()
    listening = asyncio.create_task(collect(stream))
    with contextlib.suppress(ProviderUnavailableError):
        await say(stream, silence(800, 16_000))
    with pytest.raises(kind):
        await within(10, listening)


async def test_a_clean_end_that_nobody_asked_for_is_told(aws: EmulatorProcess) -> None:
    """Websocket only: awscrt keeps a half-closed HTTP/2 stream open until its body ends, and tells nobody."""
    aws.script(transcribe=[{"faults": [{"kind": "end", "at_audio_ms": 500}]}])
    ears = AwsTranscribe(web_settings(aws_settings(aws), "websocket"))
    stream = await ears.open(ListeningOptions("en-US", 16_000, "s"))
    listening = asyncio.create_task(collect(stream))
    await stream.send(silence(800, 16_000))
    with pytest.raises(ProviderUnavailableError):
        await within(10, listening)
    await stream.close()


async def test_sending_into_a_dead_stream_is_told_too(aws: EmulatorProcess, opened: Open) -> None:
    aws.script(transcribe=[{"faults": [{"at_audio_ms": 200, "kind": "reset"}]}])
    stream = await opened()
    with pytest.raises(ProviderUnavailableError):
        await within(10, say_for_ever(stream))


async def say_for_ever(stream: AwsTranscribeStream) -> None:
    while True:
        await say(stream, silence(100, 16_000))


class EndlessLink:
    """A transport whose service takes everything and never ends; the emulator always ends a finished stream."""

    def __init__(self) -> None:
        self._closed = asyncio.Event()

    async def send(self, pcm: bytes) -> None:
        return

    async def transcripts(self) -> AsyncIterator[Transcript]:
        await self._closed.wait()
        for transcript in list[Transcript]():
            yield transcript

    async def close(self) -> None:
        self._closed.set()


async def test_a_service_that_never_ends_the_stream_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws_transcribe_stream, "FINISH_LIMIT_SECONDS", 0.05)
    stream = AwsTranscribeStream(EndlessLink(), AudioClock(16_000), 16_000)
    await stream.finish()
    with pytest.raises(ProviderTimeoutError):
        await within(10, collect(stream))


async def test_closing_drops_the_connection_at_once(aws: EmulatorProcess, opened: Open) -> None:
    stream = await opened()
    await stream.send(silence(200, 16_000))
    closed_at_ms = time.monotonic() * 1000
    await stream.close()
    call = await call_of(aws)
    assert call["closed_ms"] - closed_at_ms < 1_000


async def test_closing_one_stream_disturbs_no_other(aws: EmulatorProcess, opened: Open) -> None:
    aws.script(texts=["the other one"])
    one, other = await opened(), await opened()
    listening = asyncio.create_task(collect(other))
    await one.close()
    await say(other, noise(0.5, 16_000) + silence(700, 16_000))
    await other.finish()
    assert (await within(20, listening))[-1].text == "the other one"


async def test_credentials_are_fetched_off_the_event_loop(ears: AwsTranscribe, monkeypatch: pytest.MonkeyPatch) -> None:
    asked_in: list[threading.Thread] = []
    fetch = ears._credentials._fetch

    def watched() -> Any:
        asked_in.append(threading.current_thread())
        return fetch()

    monkeypatch.setattr(ears._credentials, "_fetch", watched)
    stream = await ears.open(ListeningOptions("en-US", 16_000, "s"))
    await stream.close()
    assert asked_in
    assert threading.main_thread() not in asked_in


# --- surroundings --------------------------------------------------------------------------------------------------------


async def test_no_log_line_holds_a_key_a_signature_or_a_word(
    aws: EmulatorProcess, opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("botocore", "urllib3"):
        caplog.set_level(logging.WARNING, name)
    aws.script(texts=["my secret words"])
    stream = await opened()
    listening = asyncio.create_task(collect(stream))
    await say(stream, noise(0.5, 16_000) + silence(700, 16_000))
    await stream.finish()
    assert (await within(20, listening))[-1].text == "my secret words"
    env = aws.env()
    logged = "\n".join(record.getMessage() for record in caplog.records)
    for secret in (env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], "X-Amz-Signature", "secret words"):
        assert secret not in logged


def test_importing_the_provider_loads_no_sdk_but_botocore() -> None:
    code = (
        "import sys, sessions.speech_to_text.aws_transcribe as module;"
        "print([name for name in ('boto3', 'amazon_transcribe') if name in sys.modules])"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
