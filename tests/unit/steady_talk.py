"""A person who speaks tone words to a session's ears, and what the session was told; for real streams and for scripted ones."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from sessions.live.listening import AudioShape, Listening
from sessions.live.voice_activity import VoiceEvent
from sessions.speech_to_text.audio_clock import AudioClock
from sessions.speech_to_text.contract import ListeningOptions, SpeechToText, StreamLife, Transcript
from sessions.speech_to_text.steady_recognition import RecognitionLimits
from sessions.speech_to_text.transcribe_events import transcripts_of
from tests.aws_emulator.journal import Json
from tests.aws_emulator.tone_words import ToneHearing, spoken
from tests.aws_emulator.transcribe_checks import StreamParameters
from workers.errors import ProviderError, ProviderUnavailableError

RATE_HZ = 16_000
VOCABULARY = (
    "alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike november oscar papa quebec romeo "
    "sierra tango uniform victor whiskey xray yankee zulu"
).split()
PIECE_MS = 40


def words(count: int, first: int = 0) -> list[str]:
    return [VOCABULARY[(first + number) % len(VOCABULARY)] for number in range(count)]


def say(text: Sequence[str]) -> bytes:
    return spoken(text, VOCABULARY, RATE_HZ)


def quiet(milliseconds: float) -> bytes:
    return bytes(int(RATE_HZ * milliseconds / 1_000) * 2)


@dataclass
class Told:
    """A session's side of listening: keeps all it was told, with the loop's time."""

    wants_silence: bool = False
    heard: list[tuple[float, Transcript]] = field(default_factory=list)
    failures: list[tuple[float, ProviderError]] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)

    def voice_changed(self, event: VoiceEvent) -> None:
        return

    def words_heard(self, transcript: Transcript) -> None:
        self.heard.append((asyncio.get_running_loop().time(), transcript))

    def segments_lost(self) -> None:
        self.losses.append(asyncio.get_running_loop().time())

    def listening_failed(self, error: ProviderError) -> None:
        self.failures.append((asyncio.get_running_loop().time(), error))

    @property
    def finals(self) -> list[Transcript]:
        return [transcript for _, transcript in self.heard if transcript.is_final]

    @property
    def text(self) -> str:
        return " ".join(final.text for final in self.finals)

    @property
    def codes(self) -> list[str]:
        return [error.code for _, error in self.failures]

    def assert_clock_is_monotone(self) -> None:
        ends = [0] + [final.end_ms for final in self.finals]
        assert ends == sorted(ends)
        assert all(final.start_ms >= before for final, before in zip(self.finals, ends[:-1], strict=True)), (
            "a final begins where the one before ended, or later"
        )


class Talk:
    """`async with Talk(ear) as talk`: one session's ears."""

    def __init__(
        self,
        ear: SpeechToText,
        limits: RecognitionLimits | None = None,
        language: str = "en-US",
        rate_hz: int = RATE_HZ,
    ) -> None:
        self.told = Told()
        self.listening = Listening(ear, AudioShape(rate_hz, "audio/pcm", language), "talk", self.told, limits=limits)

    async def __aenter__(self) -> "Talk":
        self.listening.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.listening.close()

    async def speak(self, pcm: bytes) -> None:
        """In real time, as a microphone does."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        size = RATE_HZ * PIECE_MS // 1_000 * 2
        for start in range(0, len(pcm), size):
            self.listening.hear(pcm[start : start + size])
            due += PIECE_MS / 1_000
            await asyncio.sleep(max(0.0, due - loop.time()))

    async def until(self, is_so: Callable[[Told], bool], limit_seconds: float = 15) -> None:
        async with asyncio.timeout(limit_seconds):
            while not is_so(self.told):  # noqa: ASYNC110 - what is waited for is told by many
                await asyncio.sleep(0.02)

    async def until_said(self, text: Sequence[str], limit_seconds: float = 15) -> None:
        """Waits for as many words as were said, and a little for one too many."""
        await self.until(lambda told: len(told.text.split()) >= len(text), limit_seconds)
        await asyncio.sleep(0.2)
        assert self.told.text.split() == list(text)


@dataclass
class StreamPlan:
    """How one stream of the scripted ear behaves; times are of its sound but for `open_seconds`."""

    fails_at_ms: float | None = None
    is_deaf: bool = False
    open_seconds: float = 0.0
    open_error: ProviderError | None = None
    never_ends: bool = False


class ScriptedEar:
    """A recogniser in this process that hears tone words; one plan a stream, in the order of their opening."""

    def __init__(self, plans: Sequence[StreamPlan] = (), life: StreamLife | None = None) -> None:
        self._plans = list(plans)
        self._life = life
        self.streams: list[ScriptedStream] = []
        self.tries_at: list[float] = []
        self.open_now = self.most_open = 0

    @property
    def stream_life(self) -> StreamLife | None:
        return self._life

    async def prepare(self) -> None:
        return

    async def open(self, options: ListeningOptions) -> "ScriptedStream":
        self.tries_at.append(asyncio.get_running_loop().time())
        plan = self._plans.pop(0) if self._plans else StreamPlan()
        await asyncio.sleep(plan.open_seconds)
        if plan.open_error is not None:
            raise plan.open_error
        stream = ScriptedStream(plan, self)
        self.streams.append(stream)
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        return stream

    async def close(self) -> None:
        return


class ScriptedStream:
    def __init__(self, plan: StreamPlan, ear: ScriptedEar) -> None:
        self._plan = plan
        self._ear = ear
        self._heard: asyncio.Queue[Json | ProviderError | None] = asyncio.Queue()
        parameters = StreamParameters("en-US", False, RATE_HZ, "pcm", 1, True, "scripted")
        self._hearing = ToneHearing(VOCABULARY, 300, parameters, self._heard.put_nowait, lambda _: None)
        self._is_closed = False
        self.opened_at = asyncio.get_running_loop().time()
        self.broke_at: float | None = None
        self.pcm = bytearray()

    async def send(self, pcm: bytes) -> None:
        self.pcm += pcm
        limit_ms = self._plan.fails_at_ms
        if limit_ms is not None and len(self.pcm) >= limit_ms * RATE_HZ / 500:
            self.broke_at = self.broke_at or asyncio.get_running_loop().time()
            error = ProviderUnavailableError("broken by the script")
            self._heard.put_nowait(error)
            raise error
        if not self._plan.is_deaf:
            self._hearing.feed(pcm)

    async def finish(self) -> None:
        if not self._plan.never_ends:
            self._hearing.flush()
            self._heard.put_nowait(None)

    async def transcripts(self) -> AsyncIterator[Transcript]:
        headers = {":message-type": "event", ":event-type": "TranscriptEvent"}
        while (item := await self._heard.get()) is not None:
            if isinstance(item, ProviderError):
                raise item
            for transcript in transcripts_of(headers, json.dumps(item).encode(), AudioClock(RATE_HZ)):
                yield transcript

    async def close(self) -> None:
        self._ear.open_now -= not self._is_closed
        self._is_closed = True
