"""A session's words without a gap: streams that are opened, replaced before they are too old, and opened again when lost."""

import asyncio
import random
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from sessions import metrics
from sessions.speech_to_text.contract import ListeningOptions, SpeechToText, StreamLife, Transcript
from sessions.speech_to_text.replay_audio import ReplayAudio
from sessions.speech_to_text.stream_use import StreamUse
from sessions.speech_to_text.transcript_joining import TranscriptJoiner
from sessions.speech_to_text.trouble import Trouble
from workers.errors import ProviderError, ProviderThrottledError, ProviderTimeoutError

logger = structlog.get_logger(__name__)

BYTES_PER_SAMPLE = 2
REPLAY_MS = 10_000
KEPT_MS = 30_000
"""Sound that no stream could take yet is kept this long; what was sent, REPLAY_MS."""
REOPEN_SECONDS = (0.1, 0.3, 0.8, 1.5)
PAUSE_CHECK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class RecognitionLimits:
    """`stall_speech_seconds` is speech, not time: a stream that was given so much and heard nothing is stuck."""

    stall_speech_seconds: float = 15.0
    told_after_seconds: float = 2.3
    pause_seconds: float = 0.5
    close_idle_seconds: float = 30.0
    finish_seconds: float = 3.0


class RecognitionHost(Protocol):
    """What recognition tells its session; all calls on the event loop."""

    def words_heard(self, transcript: Transcript) -> None: ...

    def segments_lost(self) -> None:
        """A stream broke: its unfinished words will be heard again on the next one."""
        ...

    def listening_failed(self, error: ProviderError) -> None: ...

    @property
    def wants_silence(self) -> bool:
        """A turn is open: its stream is kept though no sound comes."""
        ...


class SteadyRecognition:
    """One per session and shape of sound. Run `run` as a task; `add` and `forget` meanwhile, from the event loop only."""

    def __init__(
        self,
        ear: SpeechToText,
        options: ListeningOptions,
        host: RecognitionHost,
        limits: RecognitionLimits | None = None,
    ) -> None:
        self._ear = ear
        self._options = options
        self._host = host
        self._limits = limits or RecognitionLimits()
        self._log = logger.bind(session_id=options.session_id)
        self._bytes_per_ms = options.sample_rate_hz * BYTES_PER_SAMPLE / 1_000
        self._audio = ReplayAudio(int(REPLAY_MS * self._bytes_per_ms), int(KEPT_MS * self._bytes_per_ms))
        self._joiner = TranscriptJoiner()
        self._trouble = Trouble(self._limits.told_after_seconds, host.listening_failed)
        self._position = 0
        self._use: StreamUse | None = None
        self._cleared_until_ms = 0.0
        self._unanswered_ms = 0.0
        self._voice_at = 0.0
        self._has_stalled = asyncio.Event()
        self._stalls = 0
        self._cause = "first"

    def add(self, pcm: bytes, *, is_voice: bool) -> None:
        self._audio.add(pcm)
        if not is_voice:
            return
        self._voice_at = asyncio.get_running_loop().time()
        if self._use is not None:
            self._unanswered_ms += len(pcm) / self._bytes_per_ms
            if self._unanswered_ms >= self._limits.stall_speech_seconds * 1_000:
                self._has_stalled.set()

    def forget(self) -> None:
        """What was added so far brings no words any more, though the recogniser may still be busy with it."""
        self._audio.clear()
        self._cleared_until_ms = self._audio.end / self._bytes_per_ms

    async def run(self) -> None:
        """Until cancelled, or refused by the provider: then the host was told and nothing is heard any more."""
        try:
            while True:
                while self._audio.end <= self._position:
                    await self._audio.wait()
                if not await self._hear():
                    return
        finally:
            self._trouble.over()

    async def _hear(self) -> bool:
        """Opens a stream and stays with it and its successors; False when there is no use in another try."""
        self._trouble.begin()
        try:
            await self._use_streams()
        except ProviderError as error:
            self._cause = "lost"
            metrics.count_stream_error(error.code)
            self._log.warning("listening_broke", code=error.code, failures=self._trouble.failures)
            self._trouble.failed(error)
            if not error.retriable:
                return False
            await asyncio.sleep(self._pause_seconds(error))
        return True

    def _pause_seconds(self, error: ProviderError) -> float:
        """After a refusal for want of room `open` itself waits for a place."""
        if isinstance(error, ProviderThrottledError):
            return REOPEN_SECONDS[0]
        seconds = REOPEN_SECONDS[min(max(self._trouble.failures, 1), len(REOPEN_SECONDS)) - 1]
        return seconds if seconds == REOPEN_SECONDS[0] else seconds * random.uniform(0.5, 1)

    async def _use_streams(self) -> None:
        """Returns when the client was silent for long. Raises ProviderError when a stream broke."""
        use = await self._open(self._cause)
        use.start(self._position, self._is_idle, self._limits.close_idle_seconds)
        self._use, self._unanswered_ms = use, 0.0
        self._trouble.opened()
        try:
            while (successor := await self._serve(use)) is not None:
                old, use = use, successor
                self._use = use
                await self._hand_over(old, use)
        except ProviderError:
            self._give_up(use)
            raise
        else:
            self._position, self._cause = use.position, "idle"
        finally:
            self._use = None
            await use.end()

    async def _open(self, cause: str) -> StreamUse:
        stream = await self._ear.open(self._options)
        metrics.SPEECH_STREAMS_OPENED.of(cause).inc()
        return StreamUse(stream, self._joiner.begin(), self._audio, self._take)

    def _is_idle(self) -> bool:
        return not self._host.wants_silence

    # --- while a stream is in use -------------------------------------------------------------------------------------

    async def _serve(self, use: StreamUse) -> StreamUse | None:
        """Until the stream is over (None), or its successor is open. Raises ProviderError when it broke or stalls."""
        loop = asyncio.get_running_loop()
        self._has_stalled.clear()
        assert use.reader is not None
        assert use.sender is not None
        stalled = loop.create_task(self._has_stalled.wait(), name="stt-stall")
        life = self._ear.stream_life
        succeeding = loop.create_task(self._successor(use, life), name="stt-rotate") if life is not None else None
        watched: set[asyncio.Task[Any]] = {use.reader, use.sender, stalled}
        if succeeding is not None:
            watched.add(succeeding)
        try:
            await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
            if use.reader.done() or use.sender.done():
                await use.broken_or_done()
                await self._finish(use)
                return None
            if stalled.done():
                raise self._stall()
            assert succeeding is not None
            successor, succeeding = succeeding.result(), None
            return successor
        finally:
            stalled.cancel()
            if succeeding is not None:
                await _drop(succeeding)

    async def _finish(self, use: StreamUse) -> None:
        """Our side has ended the stream; what it still has to say is waited for, but not for long."""
        try:
            async with asyncio.timeout(self._limits.finish_seconds):
                await use.finished()
        except TimeoutError:
            self._log.info("listening_finish_timed_out")
        if use.words.unfinished:
            self._host.segments_lost()

    def _stall(self) -> ProviderError:
        self._stalls += 1
        error = ProviderTimeoutError("speech recognition takes sound but hears no words", code="stt_stalled")
        self._log.warning("listening_stalled", stalls=self._stalls)
        if self._stalls == 2:
            self._trouble.tell(error)
        return error

    def _give_up(self, use: StreamUse) -> None:
        """The next stream hears again what is not final; words whose sound is gone are final as they are."""
        position = self._audio.piece_start(self._final_position())
        for transcript in self._joiner.keep_unrepeatable(use.words, position / self._bytes_per_ms):
            self._host.words_heard(transcript)
        self._position = max(position, self._audio.start)
        self._host.segments_lost()

    def _final_position(self) -> int:
        samples = int(self._joiner.final_until_ms * self._bytes_per_ms) // BYTES_PER_SAMPLE
        return max(samples * BYTES_PER_SAMPLE, self._audio.start)

    def _take(self, use: StreamUse, heard: Transcript) -> None:
        self._unanswered_ms, self._stalls = 0.0, 0
        self._trouble.over()
        joined = self._joiner.take(use.words, heard, use.base / self._bytes_per_ms, use.position / self._bytes_per_ms)
        if joined is None:
            return
        if joined.is_final:
            self._audio.drop_before(self._final_position())
        if joined.end_ms > self._cleared_until_ms or not self._cleared_until_ms:
            self._host.words_heard(joined)

    # --- rotation -----------------------------------------------------------------------------------------------------

    async def _successor(self, use: StreamUse, life: StreamLife) -> StreamUse:
        """An open stream to go on with, in a pause after the present one's time, or at the latest without one.

        Raises ProviderError when none can be opened at the latest moment: the present one must end all the same.
        """
        await asyncio.sleep(max(0.0, life.rotate_after_seconds - use.age_seconds))
        while True:
            is_last_try = use.age_seconds >= life.latest_seconds
            if is_last_try or self._is_pause(use):
                try:
                    return await self._open("rotated")
                except ProviderError as error:
                    self._log.warning("rotation_failed", code=error.code)
                    if is_last_try:
                        raise
            await asyncio.sleep(PAUSE_CHECK_SECONDS)

    def _is_pause(self, use: StreamUse) -> bool:
        is_quiet = asyncio.get_running_loop().time() - self._voice_at >= self._limits.pause_seconds
        return is_quiet and not use.words.unfinished

    async def _hand_over(self, old: StreamUse, new: StreamUse) -> None:
        """The new stream hears again what is not final, but tells nothing until the old one has said its last words."""
        had_pause = self._is_pause(old)
        position = self._audio.piece_start(self._final_position())
        new.start(position, self._is_idle, self._limits.close_idle_seconds, holds=True)
        self._joiner.cut_off(old.words, round(old.retire() / self._bytes_per_ms))
        try:
            async with asyncio.timeout(self._limits.finish_seconds):
                await old.finished()
        except (TimeoutError, ProviderError) as error:
            self._log.info("rotated_stream_did_not_finish", error=type(error).__name__)
        finally:
            await old.end()
        if old.words.unfinished:
            self._host.segments_lost()
        self._joiner.take_over(new.words)
        self._unanswered_ms = 0.0
        new.release()
        self._log.info("stream_rotated", in_pause=had_pause, age_seconds=round(old.age_seconds))


async def _drop(succeeding: "asyncio.Task[StreamUse]") -> None:
    """A successor that is opened too late to be of use is closed again."""
    succeeding.cancel()
    (opened,) = await asyncio.gather(succeeding, return_exceptions=True)
    if isinstance(opened, StreamUse):
        await opened.end()
