"""The contract between a Transcribe stream and its transport: audio events out, transcripts in."""

from collections.abc import AsyncIterator
from typing import Protocol

from botocore.credentials import ReadOnlyCredentials

from sessions.speech_to_text.audio_clock import AudioClock
from sessions.speech_to_text.contract import ListeningOptions, Transcript


class TranscribeLink(Protocol):
    async def send(self, pcm: bytes) -> None:
        """One audio event; an empty one says that no more comes. Raises a ProviderError."""
        ...

    def transcripts(self) -> AsyncIterator[Transcript]:
        """Ends when the service closed in good order, asked to or not; else raises a ProviderError."""
        ...

    async def close(self) -> None:
        """Drop the connection; safe twice."""
        ...


class TranscribeTransport(Protocol):
    """Makes links; one object a process."""

    async def open(
        self, options: ListeningOptions, credentials: ReadOnlyCredentials, clock: AudioClock
    ) -> TranscribeLink:
        """Raises a ProviderError; the caller limits the time. Cancelled, it leaves no connection behind."""
        ...

    async def close(self) -> None: ...
