"""The session's ears: client audio to voice activity and speech-to-text, with a stream that is reopened when it breaks."""

import asyncio
import math
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, Protocol

import structlog

from sessions.live import g711
from sessions.live.silero_engine import new_voice_activity
from sessions.live.voice_activity import VoiceEvent
from sessions.speech_to_text.contract import ListeningOptions, SpeechToText, SpeechToTextStream, Transcript
from workers.errors import BadInputError, ProviderError, ProviderUnavailableError

logger = structlog.get_logger(__name__)

InputFormat = Literal["audio/pcm", "audio/pcmu", "audio/pcma"]
BYTES_PER_SAMPLE = 2
MAX_WAITING_MS = 60_000
REPLAY_MS = 10_000
CHUNK_MS = 100
SMALL_BACKLOG_MS = 300
BACKLOG_SPEED = 2.0
SILENCE_AFTER_MS = 300
CLOSE_IDLE_SECONDS = 30.0
FINISH_SECONDS = 3.0
TOLD_AFTER_FAILURES = 2
"""The first break is mended without a word; the client hears of it when mending fails."""
REOPEN_SECONDS = (0.1, 0.3, 0.8, 1.5)


class Listener(Protocol):
    """What listening tells its session; all calls on the event loop."""

    def voice_changed(self, event: VoiceEvent) -> None: ...

    def words_heard(self, transcript: Transcript) -> None: ...

    def segments_lost(self) -> None:
        """A stream broke: its unfinished words will be heard again on the next one."""
        ...

    def listening_failed(self, error: ProviderError) -> None: ...

    @property
    def wants_silence(self) -> bool:
        """A turn is open: when the client's audio stops, silence is heard in its place, so that the turn can end."""
        ...


@dataclass(frozen=True, slots=True)
class AudioShape:
    rate_hz: int
    format: InputFormat
    language: str

    @property
    def heard_rate_hz(self) -> int:
        return self.rate_hz if self.format == "audio/pcm" else 8_000

    def milliseconds(self, pcm_bytes: int) -> float:
        return pcm_bytes / BYTES_PER_SAMPLE / self.heard_rate_hz * 1_000

    def bytes_of(self, duration_ms: float) -> int:
        return int(self.heard_rate_hz * duration_ms / 1_000) * BYTES_PER_SAMPLE


class Listening:
    """One per session and audio shape. `start` once, `close` once; `hear` in between, from the event loop only."""

    def __init__(
        self,
        ear: SpeechToText,
        shape: AudioShape,
        session_id: str,
        listener: Listener,
        voice_threshold: float = 0.5,
    ) -> None:
        self._ear = ear
        self.shape = shape
        self._options = ListeningOptions(shape.language, shape.heard_rate_hz, session_id)
        self._listener = listener
        self._voice = new_voice_activity(shape.heard_rate_hz, voice_threshold)
        self._half_sample = b""
        self._inbox: deque[bytes] = deque()
        self._inbox_bytes = 0
        self._received_bytes = 0
        self._has_audio = asyncio.Event()
        self._outbox = _Outbox(shape.bytes_of(REPLAY_MS))
        self._silence_wanted_ms = 0.0
        self._segment_prefix = 0
        self._has_heard_words = False
        self._cleared_ms = 0
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def position_ms(self) -> int:
        """Audio heard so far."""
        return self._voice.position_ms

    @property
    def received_ms(self) -> int:
        """Audio that has come from the client, heard or waiting."""
        return int(self.shape.milliseconds(self._received_bytes))

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self._flow(), name="flow"),
            loop.create_task(self._listen(), name="listen"),
        ]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task
        self._tasks = []

    def hear(self, audio: bytes) -> None:
        """Raises BadInputError(code="audio_overrun") when more than 60 s wait."""
        pcm = self._decode(audio)
        if self.shape.milliseconds(self._inbox_bytes + len(pcm)) > MAX_WAITING_MS:
            raise BadInputError("more than 60 s of audio are waiting", code="audio_overrun", field="audio")
        if pcm:
            self._inbox.append(pcm)
            self._inbox_bytes += len(pcm)
            self._received_bytes += len(pcm)
            self._has_audio.set()

    def forget(self) -> None:
        """What was heard so far brings no words any more, though the recogniser may still be busy with it."""
        self._inbox.clear()
        self._inbox_bytes = 0
        self._cleared_ms = math.ceil(self.shape.milliseconds(self._outbox.forget()))

    def want_silence(self, duration_ms: float) -> None:
        """After a manual commit: recognisers finish a segment only when silence follows it."""
        self._silence_wanted_ms = duration_ms
        self._has_audio.set()

    def _decode(self, audio: bytes) -> bytes:
        if self.shape.format == "audio/pcmu":
            return g711.decode_mu_law(audio)
        if self.shape.format == "audio/pcma":
            return g711.decode_a_law(audio)
        audio = self._half_sample + audio
        whole = len(audio) - len(audio) % BYTES_PER_SAMPLE
        self._half_sample = audio[whole:]
        return audio[:whole]

    # --- audio in, in the client's time ---------------------------------------------------------------------------

    async def _flow(self) -> None:
        """Takes audio from the inbox; a recording that was sent at once is slowed to twice real time."""
        while True:
            pcm = await self._next_audio()
            self._outbox.add(pcm)
            for event in await self._voice.hear(pcm):
                self._listener.voice_changed(event)
            if self.shape.milliseconds(self._inbox_bytes) > SMALL_BACKLOG_MS:
                await asyncio.sleep(self.shape.milliseconds(len(pcm)) / 1_000 / BACKLOG_SPEED)

    async def _next_audio(self) -> bytes:
        while not self._inbox:
            if self._silence_wanted_ms > 0:
                self._silence_wanted_ms -= CHUNK_MS
                return bytes(self.shape.bytes_of(CHUNK_MS))
            self._has_audio.clear()
            try:
                async with asyncio.timeout(SILENCE_AFTER_MS / 1_000):
                    await self._has_audio.wait()
            except TimeoutError:
                if self._listener.wants_silence:
                    return bytes(self.shape.bytes_of(SILENCE_AFTER_MS))
        return self._take_chunk()

    def _take_chunk(self) -> bytes:
        """What came in one message, but at most 100 ms of it."""
        pcm = self._inbox.popleft()
        limit = self.shape.bytes_of(CHUNK_MS)
        if len(pcm) > limit:
            self._inbox.appendleft(pcm[limit:])
            pcm = pcm[:limit]
        self._inbox_bytes -= len(pcm)
        return pcm

    # --- speech to text -------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        """Opens a stream when there is audio, reopens one that broke, closes one that idles."""
        failures = 0
        while True:
            await self._outbox.wait()
            self._has_heard_words = False
            try:
                await self._one_stream()
            except ProviderError as error:
                failures = 1 if self._has_heard_words else failures + 1
                logger.warning("listening_broke", code=error.code, session_id=self._options.session_id)
                if not error.retriable or failures == TOLD_AFTER_FAILURES:
                    self._listener.listening_failed(error)
                if not error.retriable:
                    return
                self._outbox.rewind()
                self._listener.segments_lost()
                await asyncio.sleep(REOPEN_SECONDS[min(failures, len(REOPEN_SECONDS)) - 1])
            else:
                failures = 0

    async def _one_stream(self) -> None:
        """Returns when our side finished; raises ProviderError when the stream broke or was closed from outside."""
        stream = await self._ear.open(self._options)
        self._segment_prefix += 1
        self._outbox.begin_stream()
        self._cleared_ms = 0
        reader = asyncio.create_task(self._read(stream))
        sender = asyncio.create_task(self._send(stream))
        try:
            done, _ = await asyncio.wait({reader, sender}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            if sender not in done:
                raise ProviderUnavailableError("speech recognition closed its stream", code="stt_closed")
            async with asyncio.timeout(FINISH_SECONDS):
                await reader
        except TimeoutError:
            logger.info("listening_finish_timed_out", session_id=self._options.session_id)
        finally:
            await _end(reader, sender)
            await stream.close()

    async def _send(self, stream: SpeechToTextStream) -> None:
        """Ends normally when the client has been silent so long that an open stream is not worth its price."""
        while True:
            try:
                async with asyncio.timeout(CLOSE_IDLE_SECONDS):
                    await self._outbox.wait()
            except TimeoutError:
                if not self._listener.wants_silence:
                    await stream.finish()
                    return
                continue
            while (pcm := self._outbox.next()) is not None:
                await stream.send(pcm)

    async def _read(self, stream: SpeechToTextStream) -> None:
        async for transcript in stream.transcripts():
            self._has_heard_words = True
            if transcript.is_final:
                self._outbox.forget_until(self.shape.bytes_of(transcript.end_ms))
            if transcript.end_ms > self._cleared_ms or not self._cleared_ms:
                self._listener.words_heard(_with_prefix(transcript, self._segment_prefix))


def _with_prefix(transcript: Transcript, prefix: int) -> Transcript:
    """Segment ids of different streams must not meet."""
    return Transcript(
        f"{prefix}:{transcript.segment_id}",
        transcript.text,
        transcript.is_final,
        transcript.stable_text,
        transcript.start_ms,
        transcript.end_ms,
    )


async def _end(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class _Outbox:
    """Audio on its way to the recogniser, kept until its words are final (at most 10 s) for the next stream to hear again."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._chunks: deque[bytes] = deque()
        self._next = 0
        self._kept_bytes = 0
        self._stream_position = 0
        self._changed = asyncio.Event()

    def add(self, pcm: bytes) -> None:
        self._chunks.append(pcm)
        self._kept_bytes += len(pcm)
        while self._kept_bytes > self._max_bytes and len(self._chunks) > 1:
            self._drop_oldest()
        self._changed.set()

    def next(self) -> bytes | None:
        if self._next >= len(self._chunks):
            self._changed.clear()
            return None
        pcm = self._chunks[self._next]
        self._next += 1
        return pcm

    async def wait(self) -> None:
        """Until there is something to send."""
        while self._next >= len(self._chunks):
            self._changed.clear()
            await self._changed.wait()

    def begin_stream(self) -> None:
        """What an earlier stream has heard to its end is not replayed; after `rewind` everything kept is."""
        while self._next > 0:
            self._drop_oldest()
        self._stream_position = 0

    def forget(self) -> int:
        """Nothing added so far is sent, or replayed. Returns how many bytes the present stream was given."""
        while self._next > 0:
            self._drop_oldest()
        self._chunks.clear()
        self._kept_bytes = 0
        return self._stream_position

    def rewind(self) -> None:
        self._next = 0

    def forget_until(self, stream_bytes: int) -> None:
        """The words up to here are final: they need not be heard again."""
        while self._next > 0 and self._stream_position + len(self._chunks[0]) <= stream_bytes:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        dropped = self._chunks.popleft()
        self._kept_bytes -= len(dropped)
        if self._next > 0:
            self._next -= 1
            self._stream_position += len(dropped)
