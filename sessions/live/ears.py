"""A session's input audio buffer: its ears open with the first sound and close when sound of another shape will come."""

import asyncio

from sessions.live.config import SessionConfig
from sessions.live.listening import Listener, Listening
from sessions.live.planning import audio_shape
from sessions.speech_to_text.contract import SpeechToText
from workers.errors import BadInputError

MIN_COMMIT_MS = 100
COMMIT_SILENCE_MS = 1_000


class Ears:
    """One per session; event loop only."""

    def __init__(self, ear: SpeechToText, listener: Listener) -> None:
        self._ear = ear
        self._listener = listener
        self._listening: Listening | None = None
        self._committed_ms = 0
        self._closing: asyncio.Task[None] | None = None

    @property
    def position_ms(self) -> int:
        return self._listening.position_ms if self._listening is not None else 0

    def hear(self, pcm: bytes, config: SessionConfig, session_id: str) -> None:
        """Raises BadInputError(code="audio_overrun") when more than 60 s wait."""
        if self._listening is None:
            threshold = config.turns.voice_threshold
            self._listening = Listening(self._ear, audio_shape(config), session_id, self._listener, threshold)
            self._committed_ms = 0
            self._listening.start()
        self._listening.hear(pcm)

    def commit(self) -> None:
        """Raises BadInputError when there is hardly anything to commit."""
        listening = self._listening
        if listening is None or listening.received_ms - self._committed_ms < MIN_COMMIT_MS:
            raise BadInputError(
                f"the input audio buffer holds less than {MIN_COMMIT_MS} ms of audio",
                code="input_audio_buffer_commit_empty",
            )
        self._committed_ms = listening.received_ms
        listening.want_silence(COMMIT_SILENCE_MS)

    def clear(self) -> None:
        if self._listening is not None:
            self._listening.forget()
            self._committed_ms = self._listening.received_ms

    def stop(self) -> None:
        """Another rate or language, or nobody there: the next audio opens a fresh stream."""
        listening, self._listening = self._listening, None
        if listening is not None:
            self._closing = asyncio.get_running_loop().create_task(listening.close())

    async def close(self) -> None:
        if self._listening is not None:
            await self._listening.close()
            self._listening = None
