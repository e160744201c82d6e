"""One open stream of a session: sends it the session's sound from a position on, and hands on what it hears."""

import asyncio
from collections.abc import Callable

from sessions.metrics import SPEECH_STREAMS
from sessions.speech_to_text.contract import SpeechToTextStream, Transcript
from sessions.speech_to_text.replay_audio import ReplayAudio
from sessions.speech_to_text.transcript_joining import StreamWords
from workers.errors import ProviderUnavailableError

MAX_HELD = 500
CAUSE_SECONDS = 0.3
"""Sending fails as soon as the connection is gone; the reason is what the service said, a moment later."""


class StreamUse:
    """`start` once, `end` always. `position` is the next byte to send, `base` where the stream's sound began."""

    def __init__(
        self, stream: SpeechToTextStream, words: StreamWords, audio: ReplayAudio, take: "TakeTranscript"
    ) -> None:
        self.words = words
        self._stream = stream
        self._audio = audio
        self._take = take
        self._loop = asyncio.get_running_loop()
        self._opened_at = self._loop.time()
        self._held: list[Transcript] | None = None
        self._is_retiring = False
        self._is_open = True
        SPEECH_STREAMS.inc()
        self.position = self.base = 0
        self.has_heard_words = False
        self.reader: asyncio.Task[None] | None = None
        self.sender: asyncio.Task[None] | None = None

    @property
    def age_seconds(self) -> float:
        return self._loop.time() - self._opened_at

    def start(self, position: int, is_idle: Callable[[], bool], idle_seconds: float, *, holds: bool = False) -> None:
        """With `holds`, what is heard waits until `release`."""
        self.position = self.base = position
        self._held = [] if holds else None
        self.reader = self._loop.create_task(self._read(), name="stt-read")
        self.sender = self._loop.create_task(self._send(is_idle, idle_seconds), name="stt-send")

    def retire(self) -> int:
        """No more sound for this stream; its last words still come. Returns up to where it was given any."""
        self._is_retiring = True
        self._audio.wake()
        return self.position

    def release(self) -> None:
        held, self._held = self._held or [], None
        for transcript in held:
            self._take(self, transcript)

    async def finished(self) -> None:
        """After the sender's end: until the service has said its last. Raises ProviderError."""
        assert self.sender is not None
        assert self.reader is not None
        await self.sender
        await self.reader

    async def broken_or_done(self) -> None:
        """After one of the two tasks ended. Raises what broke the stream; returns when our side finished it."""
        assert self.sender is not None
        assert self.reader is not None
        if not self.reader.done() and self.sender.done() and self.sender.exception() is not None:
            await asyncio.wait({self.reader}, timeout=CAUSE_SECONDS)
        for task in (self.reader, self.sender):
            if task.done():
                task.result()
        if not self.sender.done():
            raise ProviderUnavailableError("speech recognition closed its stream", code="stt_closed")

    async def end(self) -> None:
        SPEECH_STREAMS.dec(self._is_open)
        self._is_open = False
        tasks = [task for task in (self.reader, self.sender) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._stream.close()

    async def _read(self) -> None:
        async for transcript in self._stream.transcripts():
            self.has_heard_words = True
            if self._held is None:
                self._take(self, transcript)
            elif len(self._held) < MAX_HELD:
                self._held.append(transcript)

    async def _send(self, is_idle: Callable[[], bool], idle_seconds: float) -> None:
        """Ends after `retire`, or when no sound came for so long that an open stream is not worth its price."""
        while await self._has_more(is_idle, idle_seconds):
            start, pcm = self._audio.piece_at(self.position)
            self._skip_to(start)
            self.position += len(pcm)
            self._audio.sent(self.position)
            await self._stream.send(pcm)
        await self._stream.finish()

    async def _has_more(self, is_idle: Callable[[], bool], idle_seconds: float) -> bool:
        while not self._is_retiring and self._audio.end <= self.position:
            try:
                async with asyncio.timeout(idle_seconds):
                    await self._audio.wait()
            except TimeoutError:
                if is_idle():
                    return False
        return not self._is_retiring

    def _skip_to(self, start: int) -> None:
        """What is no longer kept was never sent: from here on the stream's times lie behind by that much."""
        self.base += start - self.position
        self.position = start


TakeTranscript = Callable[[StreamUse, Transcript], None]
