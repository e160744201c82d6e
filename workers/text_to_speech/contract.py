"""The contract of a text-to-speech provider: one sentence in, PCM chunks out as they come."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol, runtime_checkable


class Urgency(IntEnum):
    """Who goes first where outside calls are limited: the smaller number."""

    FIRST_SENTENCE = 0
    LATER_SENTENCE = 1
    WORD_MARKS = 2


@dataclass(frozen=True, slots=True)
class VoiceOptions:
    """`voice` and `engine` are the provider's names (Polly: Ruth, generative); `language` is a BCP 47 tag."""

    voice: str
    engine: str
    language: str


@dataclass(frozen=True, slots=True)
class SpeechChunk:
    """16-bit little-endian mono PCM; whole samples only. `billed_characters` stands on a call's first chunk."""

    pcm: bytes
    sample_rate_hz: int
    engine: str = ""
    billed_characters: int = 0


@dataclass(frozen=True, slots=True)
class WordMark:
    """When a word begins in the speech of a text, and where it stands in that text, in characters."""

    start_ms: float
    start: int
    end: int


@runtime_checkable
class TextToSpeech(Protocol):
    """Made once per worker process; `synthesize` is called from many greenlets at once."""

    def synthesize(
        self, text: str, voice: VoiceOptions, urgency: Urgency = Urgency.LATER_SENTENCE
    ) -> Iterator[SpeechChunk]:
        """Yield chunks in order as they arrive, none empty. Closing the iterator closes the outside call.

        Raises a ProviderError.
        """
        ...


@runtime_checkable
class WordTimer(Protocol):
    """What a TextToSpeech may offer beside: the times of a text's words, asked for while it is spoken."""

    def word_marks(self, text: str, voice: VoiceOptions) -> tuple[WordMark, ...]:
        """In order; of a text of at most 1,000 characters. Raises a ProviderError."""
        ...
