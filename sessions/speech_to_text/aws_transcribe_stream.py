"""One open Transcribe stream: cuts the audio, keeps an idle stream alive, and says how it ended."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from sessions.speech_to_text.audio_clock import AudioClock
from sessions.speech_to_text.audio_cutter import BYTES_PER_SAMPLE, AudioCutter
from sessions.speech_to_text.contract import Transcript
from sessions.speech_to_text.stream_admission import StreamLease
from sessions.speech_to_text.transcribe_link import TranscribeLink
from workers.errors import ProviderError, ProviderThrottledError, ProviderTimeoutError, ProviderUnavailableError

# The service ends a stream after 15 s without audio.
KEEP_ALIVE_SECONDS = 5.0
KEEP_ALIVE_SILENCE_MS = 100
# A client that stops in mid-chunk must not have its last word held back.
HOLD_SECONDS = 0.2
FINISH_LIMIT_SECONDS = 10.0

Explain = Callable[[ProviderError], Awaitable[ProviderError]]
"""What an error of the service means here and now; may take a moment, as reading credentials does."""


class AwsTranscribeStream:
    """Sending is in order because cutting and sending happen under one lock."""

    def __init__(
        self,
        link: TranscribeLink,
        clock: AudioClock,
        sample_rate_hz: int,
        lease: StreamLease | None = None,
        explain: Explain | None = None,
    ) -> None:
        self._link = link
        self._lease = lease
        self._explain = explain
        self._clock = clock
        self._cutter = AudioCutter(sample_rate_hz)
        self._silence = bytes(sample_rate_hz * KEEP_ALIVE_SILENCE_MS // 1000 * BYTES_PER_SAMPLE)
        self._order = asyncio.Lock()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._tending: asyncio.Task[None] | None = None
        self._tend_at = 0.0
        self._is_finished = False
        self._is_closed = False
        self._has_run_out = False
        self._set_timer()

    @property
    def given_seconds(self) -> float:
        """Our own silence is billed like the client's sound."""
        return self._clock.sent_seconds

    async def send(self, pcm: bytes) -> None:
        if self._is_closed or self._is_finished:
            raise ProviderUnavailableError("the stream takes no more audio", retriable=False)
        async with self._order:
            for chunk in self._cutter.feed(pcm):
                await self._send_audio(chunk)
        self._set_timer()

    async def finish(self) -> None:
        if self._is_closed or self._is_finished:
            return
        self._is_finished = True
        self._stop_timer()
        async with self._order:
            await self._send_audio(self._cutter.flush())
            await self._link.send(b"")
        self._timer = self._loop.call_later(FINISH_LIMIT_SECONDS, self._run_out)

    async def transcripts(self) -> AsyncIterator[Transcript]:
        try:
            async for transcript in self._link.transcripts():
                if self._lease is not None:
                    self._lease.accepted()
                yield transcript
        except ProviderError as error:
            if not self._is_closed:
                raise await self._meaning_of(error) from None
        if self._has_run_out:
            raise ProviderTimeoutError("Transcribe did not end the stream in time")
        if not self._is_finished and not self._is_closed:
            raise ProviderUnavailableError("Transcribe ended the stream")

    async def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        self._stop_timer()
        if self._tending is not None:
            self._tending.cancel()
        try:
            await self._link.close()
        finally:
            if self._lease is not None:
                self._lease.release()

    async def _meaning_of(self, error: ProviderError) -> ProviderError:
        if self._lease is not None and isinstance(error, ProviderThrottledError):
            self._lease.refused()
        return await self._explain(error) if self._explain is not None else error

    async def _send_audio(self, pcm: bytes) -> None:
        if pcm:
            self._clock.add_audio(len(pcm))
            await self._link.send(pcm)

    def _set_timer(self) -> None:
        """A timer that is early enough stays: a talking client costs one every few seconds."""
        if self._is_closed or self._is_finished:
            return
        self._tend_at = self._loop.time() + (HOLD_SECONDS if self._cutter.held_bytes else KEEP_ALIVE_SECONDS)
        if self._timer is not None and self._timer.when() <= self._tend_at:
            return
        self._stop_timer()
        self._timer = self._loop.call_at(self._tend_at, self._on_timer)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_timer(self) -> None:
        self._timer = None
        if self._loop.time() < self._tend_at - 0.001:
            self._timer = self._loop.call_at(self._tend_at, self._on_timer)
            return
        self._tending = self._loop.create_task(self._tend(), name="transcribe-keep-alive")

    async def _tend(self) -> None:
        """Send what is held, or silence. A fault is not told here: the transcripts raise the same one."""
        try:
            async with self._order:
                held = self._cutter.flush()
                if held:
                    await self._send_audio(held)
                elif not self._is_finished:
                    self._clock.add_silence(len(self._silence))
                    await self._link.send(self._silence)
        except ProviderError:
            return
        self._set_timer()

    def _run_out(self) -> None:
        self._timer = None
        self._has_run_out = True
        self._tending = self._loop.create_task(self._link.close(), name="transcribe-run-out")
