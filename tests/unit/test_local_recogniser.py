"""The local ear: known phrases word for word, its process's life and death, and its bounds."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio

import sessions
from sessions.speech_to_text.contract import ListeningOptions, SpeechToTextStream, Transcript
from sessions.speech_to_text.local import LocalRecogniser
from sessions.speech_to_text.local_frames import HEADER, FrameKind, json_frame, unpack_header
from sessions.speech_to_text.recogniser_process import _Stream
from tests.contracts.emulated_aws import web_settings
from tests.local_speech import SETTINGS, speech
from workers.errors import ProviderRefusedError, ProviderUnavailableError

GRAMMAR = """#JSGF V1.0;
grammar phrases;
public <phrase> = what is the weather today | tell me a long story | turn on the light in the kitchen;
"""
PHRASES = ["what is the weather today", "tell me a long story", "turn on the light in the kitchen"]
LIMIT_SECONDS = 40
RATE_HZ = 16_000

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ears() -> AsyncIterator[LocalRecogniser]:
    recogniser = LocalRecogniser(web_settings(SETTINGS.aws), grammar=GRAMMAR)
    yield recogniser
    await recogniser.close()


def silence(milliseconds: int) -> bytes:
    return bytes(RATE_HZ * milliseconds // 1_000 * 2)


async def open_stream(ears: LocalRecogniser, language: str = "en-US") -> SpeechToTextStream:
    async with asyncio.timeout(LIMIT_SECONDS):
        return await ears.open(ListeningOptions(language, RATE_HZ, "session-1"))


async def hear(ears: LocalRecogniser, pcm: bytes) -> list[Transcript]:
    stream = await open_stream(ears)
    for at in range(0, len(pcm), 3_200):
        await stream.send(pcm[at : at + 3_200])
    await stream.finish()
    async with asyncio.timeout(LIMIT_SECONDS):
        heard = [item async for item in stream.transcripts()]
    await stream.close()
    return heard


def children() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "recogniser_process" in " ".join(child.cmdline())]


@pytest.mark.parametrize("phrase", PHRASES)
async def test_a_phrase_of_the_grammar_is_heard_word_for_word(ears: LocalRecogniser, phrase: str) -> None:
    heard = await hear(ears, silence(400) + speech(phrase, RATE_HZ) + silence(900))
    assert [item.text for item in heard if item.is_final] == [phrase]


async def test_silence_divides_segments_and_each_has_its_place(ears: LocalRecogniser) -> None:
    first, second = speech(PHRASES[0], RATE_HZ), speech(PHRASES[1], RATE_HZ)
    heard = await hear(ears, silence(500) + first + silence(1_200) + second + silence(900))
    finals = [item for item in heard if item.is_final]
    assert [item.text for item in finals] == PHRASES[:2]
    assert len({item.segment_id for item in finals}) == 2
    assert abs(finals[0].start_ms - 500) < 200
    assert finals[0].end_ms <= finals[1].start_ms


async def test_silence_alone_is_no_transcript(ears: LocalRecogniser) -> None:
    assert await hear(ears, silence(3_000)) == []


async def test_all_streams_share_one_process(ears: LocalRecogniser) -> None:
    before = {child.pid for child in children()}
    streams = [await open_stream(ears) for _ in range(3)]
    assert {child.pid for child in children()} == before
    for stream in streams:
        await stream.close()


async def test_streams_closed_while_somebody_speaks_give_their_decoders_back(ears: LocalRecogniser) -> None:
    spoken = silence(400) + speech(PHRASES[2], RATE_HZ)
    for _ in range(8):
        stream = await open_stream(ears)
        await stream.send(spoken)
        async with asyncio.timeout(LIMIT_SECONDS):
            assert not (await anext(aiter(stream.transcripts()))).is_final
        await stream.close()
    heard = await hear(ears, silence(400) + speech(PHRASES[0], RATE_HZ) + silence(900))
    assert heard[-1].text == PHRASES[0]


async def test_another_language_is_refused_in_plain_words(ears: LocalRecogniser) -> None:
    with pytest.raises(ProviderRefusedError, match="English only, not zh-CN"):
        await open_stream(ears, "zh-CN")


async def test_a_killed_process_fails_its_streams_and_the_next_stream_starts_another() -> None:
    before = {child.pid for child in children()}
    ears = LocalRecogniser(web_settings(SETTINGS.aws), grammar=GRAMMAR)
    stream = await open_stream(ears)
    (child,) = [child for child in children() if child.pid not in before]
    os.kill(child.pid, signal.SIGKILL)
    with pytest.raises(ProviderUnavailableError) as caught:
        async with asyncio.timeout(LIMIT_SECONDS):
            _ = [item async for item in stream.transcripts()]
    assert caught.value.retriable
    with pytest.raises(ProviderUnavailableError):
        await stream.send(silence(100))
    await stream.close()
    heard = await hear(ears, silence(400) + speech(PHRASES[0], RATE_HZ) + silence(900))
    assert heard[-1].text == PHRASES[0]
    await ears.close()


async def test_closing_ends_the_process() -> None:
    before = {child.pid for child in children()}
    ears = LocalRecogniser(web_settings(SETTINGS.aws), grammar=GRAMMAR)
    await open_stream(ears)
    (child,) = [child for child in children() if child.pid not in before]
    await ears.close()
    await ears.close()
    assert not psutil.pid_exists(child.pid)


def start_process() -> Any:
    root = str(Path(sessions.__file__).resolve().parents[1])
    process = subprocess.Popen(
        [sys.executable, "-m", "sessions.speech_to_text.recogniser_process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": root},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json_frame(FrameKind.CONFIGURE, 0, grammar=GRAMMAR).pack())
    process.stdin.flush()
    assert unpack_header(process.stdout.read(HEADER.size))[0] == FrameKind.READY
    return process


async def test_the_process_ends_when_its_parent_is_gone() -> None:
    process = await asyncio.to_thread(start_process)
    process.send_signal(signal.SIGINT)  # a Ctrl-C is the parent's to handle
    process.stdin.close()  # what the system does when a parent dies
    assert await asyncio.to_thread(process.wait, 20) == 0
    process.stdout.close()


class Deaf:
    """Stands where the decoding would be."""


async def test_waiting_audio_is_the_newest_thirty_seconds() -> None:
    waiting = _Stream(Deaf())  # type: ignore[arg-type]
    second = RATE_HZ * 2
    for number in range(40):
        waiting.add(bytes([number]) * second)
    taken, dropped_ms = waiting.take()
    assert dropped_ms == 10_000
    assert taken[0] == 10
    rest = [waiting.take() for _ in range(29)]
    assert all(lost == 0 for _, lost in rest)
    assert rest[-1][0][0] == 39
    assert not waiting.has_work
