"""What the AWS ear sends and hears, on both transports."""

import asyncio
import time
from dataclasses import replace

import pytest

from sessions.speech_to_text import aws_transcribe, aws_transcribe_stream
from sessions.speech_to_text.aws_transcribe import AwsTranscribe
from sessions.speech_to_text.contract import ListeningOptions
from tests.aws_emulator.process import EmulatorProcess
from tests.contracts.emulated_aws import aws_settings, web_settings
from tests.contracts.speech_to_text_suite import collect, silence
from tests.unit.transcribe_on_emulator import (  # noqa: F401 - fixtures are found by their names
    Open,
    Transport,
    aws,
    call_of,
    ears,
    eventually,
    first,
    heard_of,
    noise,
    opened,
    running_aws,
    say,
    transport,
    within,
)
from workers.errors import (
    ProviderRefusedError,
    ProviderThrottledError,
    ProviderTimeoutError,
    ProviderUnavailableError,
)

# ruff: noqa: F811


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
