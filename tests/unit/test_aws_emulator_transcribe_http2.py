"""The emulator's Transcribe over HTTP/2, driven by the unmodified amazon-transcribe package."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from amazon_transcribe.auth import StaticCredentialResolver
from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.endpoints import StaticEndpointResolver
from amazon_transcribe.exceptions import BadRequestException, LimitExceededException, ServiceException

from tests.aws_emulator.server import AwsEmulator

CHUNK_BYTES = 3_200
WAIT_SECONDS = 10


@pytest.fixture
async def aws(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AwsEmulator]:
    emulator = AwsEmulator()
    addresses = await emulator.start()
    # The AWS common runtime beneath amazon-transcribe takes its trust from this variable alone.
    monkeypatch.setenv("SSL_CERT_FILE", addresses.ca)
    yield emulator
    await emulator.stop()


def client(aws: AwsEmulator, secret: str | None = None) -> TranscribeStreamingClient:
    env = aws.env()
    return TranscribeStreamingClient(
        region=env["AWS_REGION"],
        endpoint_resolver=StaticEndpointResolver(env["AWS_ENDPOINT_URL_TRANSCRIBE_STREAMING"]),  # type: ignore[no-untyped-call]
        credential_resolver=StaticCredentialResolver(env["AWS_ACCESS_KEY_ID"], secret or env["AWS_SECRET_ACCESS_KEY"]),
    )


async def open_stream(aws: AwsEmulator, language: str = "en-US", rate_hz: int = 16_000, **signing: str) -> Any:
    async with asyncio.timeout(WAIT_SECONDS):
        return await client(aws, **signing).start_stream_transcription(
            language_code=language, media_sample_rate_hz=rate_hz, media_encoding="pcm"
        )


async def finals_of(stream: Any) -> list[str]:
    async with asyncio.timeout(WAIT_SECONDS):
        return [
            result.alternatives[0].transcript
            async for event in stream.output_stream
            for result in event.transcript.results
            if not result.is_partial
        ]


async def send(stream: Any, sound: bytes) -> None:
    for at in range(0, len(sound), CHUNK_BYTES):
        await stream.input_stream.send_audio_event(audio_chunk=sound[at : at + CHUNK_BYTES])


def tone(milliseconds: int) -> bytes:
    times = np.arange(16 * milliseconds) / 16_000
    return (np.sin(2 * np.pi * 300 * times) * 8_000).astype("<i2").tobytes()


async def test_speech_is_answered_by_the_scripted_text(aws: AwsEmulator) -> None:
    aws.script(texts=["What do you see?"])
    stream = await open_stream(aws)
    sound = tone(500) + bytes(32_000)
    await send(stream, sound)
    await stream.input_stream.end_stream()
    assert await finals_of(stream) == ["What do you see?"]
    (call,) = aws.journal
    assert bytes(call.audio) == sound
    assert (call.transport, call.outcome) == ("http2", "completed")


async def test_a_slow_handshake_still_opens(aws: AwsEmulator) -> None:
    aws.script(transcribe=[{"handshake_ms": 200}], texts=["Late."])
    loop = asyncio.get_running_loop()
    started = loop.time()
    stream = await open_stream(aws)
    assert loop.time() - started >= 0.2
    await send(stream, tone(500) + bytes(32_000))
    await stream.input_stream.end_stream()
    assert await finals_of(stream) == ["Late."]


async def test_two_streams_share_a_connection(aws: AwsEmulator) -> None:
    aws.script(transcribe=[{"texts": ["One."]}, {"texts": ["Two."]}])
    one_client = client(aws)
    streams: list[Any] = [
        await one_client.start_stream_transcription(
            language_code="en-US", media_sample_rate_hz=16_000, media_encoding="pcm"
        )
        for _ in range(2)
    ]
    for stream in streams:
        await send(stream, tone(400) + bytes(32_000))
        await stream.input_stream.end_stream()
    assert [await finals_of(stream) for stream in streams] == [["One."], ["Two."]]
    assert len({call.client_port for call in aws.journal}) == 1


async def test_a_wrong_parameter_is_refused_before_the_stream(aws: AwsEmulator) -> None:
    with pytest.raises(BadRequestException, match="languageCode"):
        await open_stream(aws, language="xx-XX")


async def test_a_wrong_secret_is_refused_before_the_stream(aws: AwsEmulator) -> None:
    with pytest.raises(ServiceException):
        await open_stream(aws, secret="not the secret")
    (call,) = aws.journal
    assert (call.status, call.error_type) == (403, "InvalidSignatureException")


async def test_a_frame_signed_with_another_secret_ends_the_stream(aws: AwsEmulator) -> None:
    stream = await open_stream(aws)
    stream.input_stream._credential_resolver = StaticCredentialResolver(
        aws.env()["AWS_ACCESS_KEY_ID"], "not the secret"
    )
    await send(stream, bytes(CHUNK_BYTES))
    with pytest.raises(ServiceException):
        await finals_of(stream)
    assert next(iter(aws.journal)).error_type == "InvalidSignatureException"


async def test_the_quota_of_streams_is_an_exception_of_its_kind(aws: AwsEmulator) -> None:
    aws.script(settings={"transcribe_streams": 1})
    await open_stream(aws)
    with pytest.raises(LimitExceededException):
        await open_stream(aws)


async def test_an_exception_in_mid_stream_has_its_kind_and_words(aws: AwsEmulator) -> None:
    aws.script(settings={"transcribe_idle_seconds": 0.2})
    stream = await open_stream(aws)
    await send(stream, bytes(CHUNK_BYTES))
    with pytest.raises(BadRequestException) as refused:
        await finals_of(stream)
    assert refused.value.message.startswith("Your request timed out because no new audio was received")


@pytest.mark.parametrize("kind", ["reset", "cut", "goaway", "reset_stream", "end"])
async def test_a_fault_of_the_transport_ends_the_results(aws: AwsEmulator, kind: str) -> None:
    aws.script(transcribe=[{"faults": [{"at_audio_ms": 100, "kind": kind}]}])
    stream = await open_stream(aws)
    await send(stream, bytes(CHUNK_BYTES))
    # The package ends the HTTP/2 stream only when its own side has ended too.
    stream.input_stream._input_stream.end_stream()
    assert await finals_of(stream) == []
    (call,) = aws.journal
    assert (call.outcome, call.error_type) == ("fault", kind)
