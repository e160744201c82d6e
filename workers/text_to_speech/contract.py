"""The contract of a text-to-speech provider: one sentence in, PCM chunks out as they come."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class VoiceOptions:
    """`voice` and `engine` are the provider's names (Polly: Ruth, generative); `language` is a BCP 47 tag."""

    voice: str
    engine: str
    language: str


@dataclass(frozen=True, slots=True)
class SpeechChunk:
    """16-bit little-endian mono PCM; whole samples only."""

    pcm: bytes
    sample_rate_hz: int


@runtime_checkable
class TextToSpeech(Protocol):
    """Made once per worker process; `synthesize` is called from many greenlets at once."""

    def synthesize(self, text: str, voice: VoiceOptions) -> Iterator[SpeechChunk]:
        """Yield chunks in order as they arrive, none empty. Closing the iterator closes the outside call.

        Raises a ProviderError.
        """
        ...
