"""The session's ears: client audio at its own pace to voice activity and to steady speech recognition."""

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, Protocol

from sessions.live import g711
from sessions.live.silero_engine import new_voice_activity
from sessions.live.voice_activity import VoiceEvent
from sessions.speech_to_text.contract import ListeningOptions, SpeechToText
from sessions.speech_to_text.steady_recognition import RecognitionHost, RecognitionLimits, SteadyRecognition
from workers.errors import BadInputError

InputFormat = Literal["audio/pcm", "audio/pcmu", "audio/pcma"]
BYTES_PER_SAMPLE = 2
MAX_WAITING_MS = 60_000
CHUNK_MS = 100
SMALL_BACKLOG_MS = 300
BACKLOG_SPEED = 2.0
SILENCE_AFTER_MS = 300


class Listener(RecognitionHost, Protocol):
    """What listening tells its session; all calls on the event loop."""

    def voice_changed(self, event: VoiceEvent) -> None: ...

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
        limits: RecognitionLimits | None = None,
    ) -> None:
        self.shape = shape
        options = ListeningOptions(shape.language, shape.heard_rate_hz, session_id)
        self._recognition = SteadyRecognition(ear, options, listener, limits)
        self._listener = listener
        self._voice = new_voice_activity(shape.heard_rate_hz, voice_threshold)
        self._half_sample = b""
        self._inbox: deque[bytes] = deque()
        self._inbox_bytes = 0
        self._received_bytes = 0
        self._has_audio = asyncio.Event()
        self._silence_wanted_ms = 0.0
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
            loop.create_task(self._recognition.run(), name="recognition"),
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
        self._recognition.forget()

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
            self._recognition.add(pcm, is_voice=self._voice.is_voice)
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
