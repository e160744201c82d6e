"""Transcribe on the emulator as the tests of the AWS ear use it: fixtures for both transports and their small words."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Literal, cast

import numpy as np
import pytest

from sessions.speech_to_text.aws_transcribe import AwsTranscribe
from sessions.speech_to_text.aws_transcribe_stream import AwsTranscribeStream
from sessions.speech_to_text.contract import ListeningOptions, SpeechToTextStream, Transcript
from tests.aws_emulator.process import EmulatorProcess
from tests.contracts.emulated_aws import aws_settings, emulated_aws, web_settings
from tests.contracts.speech_to_text_suite import collect, silence

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


async def eventually(is_so: Callable[[], bool], limit_seconds: float = 10) -> None:
    deadline = time.monotonic() + limit_seconds
    while not await asyncio.to_thread(is_so):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def heard_of(aws: EmulatorProcess, opened: Open, results: list[dict[str, Any]]) -> list[Transcript]:
    aws.script(transcribe=[{"results": results}])
    stream = await opened()
    listening = asyncio.create_task(collect(stream))
    await say(stream, silence(1_000, 16_000))
    await stream.finish()
    return cast(list[Transcript], await within(20, listening))


async def first(stream: AwsTranscribeStream, listening: "asyncio.Task[list[Transcript]]") -> list[Transcript]:
    await asyncio.sleep(1)
    await stream.close()
    return await listening


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
