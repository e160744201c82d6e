"""The contract of a speech-to-text provider: PCM in, transcripts out, one stream per session; asyncio."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class ListeningOptions:
    """`language` as Transcribe names it (en-US, zh-CN); `sample_rate_hz` is what the client declared, 8000 to 48000."""

    language: str
    sample_rate_hz: int
    session_id: str


@dataclass(frozen=True, slots=True)
class StreamLife:
    """A stream is replaced at the first pause after `rotate_after_seconds`, and without one at `latest_seconds`."""

    rotate_after_seconds: float
    latest_seconds: float


@dataclass(frozen=True, slots=True)
class Word:
    """`text_end` is how much of the segment's text is there once the word was said, the marks behind it included."""

    start_ms: int
    end_ms: int
    text_end: int

    @property
    def middle_ms(self) -> float:
        return (self.start_ms + self.end_ms) / 2


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was heard in one segment.

    `segment_id` stays the same from a segment's first partial to its final; `text` is the whole segment so far.
    `stable_text` is the leading part that will not change any more. Times are milliseconds of audio since the
    stream was opened. `words` is empty when the provider does not know when each was said.
    """

    segment_id: str
    text: str
    is_final: bool
    stable_text: str = ""
    start_ms: int = 0
    end_ms: int = 0
    words: tuple[Word, ...] = ()


@runtime_checkable
class SpeechToTextStream(Protocol):
    """One open stream. Whoever opened it closes it; `close` is safe to call twice and from any state."""

    async def send(self, pcm: bytes) -> None:
        """Hand over 16-bit mono PCM at the declared rate, unchanged; waits only for the socket. Raises ProviderError."""
        ...

    async def finish(self) -> None:
        """No more audio comes; the iterator ends after the last final."""
        ...

    def transcripts(self) -> AsyncIterator[Transcript]:
        """Transcripts as they come; ends when the provider closed normally, raises a ProviderError when it failed."""
        ...

    async def close(self) -> None: ...


@runtime_checkable
class SoundCounter(Protocol):
    """What a stream may offer beside: it knows how much sound the service was really given."""

    @property
    def given_seconds(self) -> float: ...


@runtime_checkable
class SpeechToText(Protocol):
    """Made once per web process from WebSettings."""

    @property
    def stream_life(self) -> StreamLife | None:
        """How long one stream may be used; None when it may be used for ever."""
        ...

    async def prepare(self) -> None:
        """Called once at the start of the process: does ahead what would make the first `open` slow.

        Raises a ProviderError, which is logged; `open` may be called before, during and after it.
        """
        ...

    async def open(self, options: ListeningOptions) -> SpeechToTextStream:
        """Open a stream or raise a ProviderError: 5 s for the opening itself, and for a free place before it.

        Raises ProviderRefusedError for a language it lacks.
        """
        ...

    async def close(self) -> None:
        """Release what the process holds (child processes, connections); called once at the end of the process."""
        ...
