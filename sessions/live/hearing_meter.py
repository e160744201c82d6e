"""What a session's streams of speech recognition cost: the sound each was given, silence included."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal

from sessions.live.usage import FREE, Providers, Usage, hearing_cost
from sessions.speech_to_text.contract import (
    ListeningOptions,
    SoundCounter,
    SpeechToText,
    SpeechToTextStream,
    StreamLife,
    Transcript,
)
from workers.prices import PriceTable

TOLD_EVERY_MS = 60_000
"""A process that dies takes at most so much of an open stream's seconds with it."""
BYTES_PER_SAMPLE = 2


@dataclass(slots=True)
class _Stream:
    usage_id: str
    seconds: float = 0.0
    told_seconds: float = 0.0
    told_ms: float = 0.0
    is_closed: bool = False


class HearingMeter:
    """`prefix` is unlike that of every other session and socket: it names the streams."""

    def __init__(self, prices: PriceTable, providers: Providers) -> None:
        self._prices = prices
        self._provider = providers.speech_to_text
        self._streams: list[_Stream] = []
        self._opened = 0
        self._closed_usd = FREE
        self._closed_seconds = 0.0
        self.prefix = ""

    def metered(self, ear: SpeechToText) -> SpeechToText:
        return _MeteredEar(ear, self)

    def open(self) -> _Stream:
        self._opened += 1
        stream = _Stream(f"{self.prefix}:hearing:{self._opened}")
        self._streams.append(stream)
        return stream

    @property
    def total_usd(self) -> Decimal:
        return self._closed_usd + sum((self._cost(stream) for stream in self._streams), FREE)

    @property
    def total_seconds(self) -> float:
        return self._closed_seconds + sum(stream.seconds for stream in self._streams)

    def collect(self, now_ms: float, at_ms: int, *, is_last: bool = False) -> list[Usage]:
        """Streams that have ended, and open ones once a minute with what they were given so far."""
        found = []
        for stream in list(self._streams):
            is_due = stream.is_closed or is_last or now_ms - stream.told_ms >= TOLD_EVERY_MS
            if is_due and stream.seconds > stream.told_seconds:
                stream.told_seconds, stream.told_ms = stream.seconds, now_ms
                found.append(self._usage(stream, at_ms))
            if stream.is_closed:
                self._streams.remove(stream)
                self._closed_usd += self._cost(stream)
                self._closed_seconds += stream.seconds
        return found

    def _usage(self, stream: _Stream, at_ms: int) -> Usage:
        cost = self._cost(stream)
        return Usage(
            usage_id=stream.usage_id,
            at_ms=at_ms,
            service="speech_to_text",
            provider=self._provider,
            model="",
            seconds=round(stream.seconds, 3),
            billed_seconds=self._prices.speech_to_text.billed_seconds(stream.seconds),
            is_estimated=not stream.is_closed,
            estimated_usd=cost,
            cost_usd=cost,
            price_version=self._prices.version,
        )

    def _cost(self, stream: _Stream) -> Decimal:
        return hearing_cost(self._prices, self._provider, self._prices.speech_to_text.billed_seconds(stream.seconds))


class _MeteredEar:
    def __init__(self, ear: SpeechToText, meter: HearingMeter) -> None:
        self._ear = ear
        self._meter = meter

    @property
    def stream_life(self) -> StreamLife | None:
        return self._ear.stream_life

    async def prepare(self) -> None:
        await self._ear.prepare()

    async def open(self, options: ListeningOptions) -> SpeechToTextStream:
        stream = await self._ear.open(options)
        return _MeteredStream(stream, self._meter.open(), options.sample_rate_hz * BYTES_PER_SAMPLE)

    async def close(self) -> None:
        await self._ear.close()


class _MeteredStream:
    """Counts what was given; a stream that adds sound of its own, as silence to stay alive, knows better."""

    def __init__(self, stream: SpeechToTextStream, entry: _Stream, bytes_per_second: int) -> None:
        self._stream = stream
        self._counter = stream if isinstance(stream, SoundCounter) else None
        self._entry = entry
        self._bytes_per_second = bytes_per_second

    async def send(self, pcm: bytes) -> None:
        await self._stream.send(pcm)
        self._count(len(pcm) / self._bytes_per_second)

    async def finish(self) -> None:
        await self._stream.finish()

    def transcripts(self) -> AsyncIterator[Transcript]:
        return self._stream.transcripts()

    async def close(self) -> None:
        try:
            await self._stream.close()
        finally:
            self._count(0.0)
            self._entry.is_closed = True

    def _count(self, seconds: float) -> None:
        known = self._counter.given_seconds if self._counter is not None else 0.0
        self._entry.seconds = max(self._entry.seconds + seconds, known)
