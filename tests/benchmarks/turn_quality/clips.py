"""Clips with their truth: the sound, when each word ends, and when the user's voice really begins, pauses and ends."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from sessions.live.turn_taking.events import WordsHeard
from sessions.live.turn_taking.phrases import is_ideograph, join

Language = Literal["en", "zh"]
Kind = Literal["answer", "interruption", "backchannel", "noise", "background", "aside"]
FALSE_ALARMS: tuple[Kind, ...] = ("noise", "backchannel", "background", "aside")
"""Into an agent's speech, which none of them should stop."""
RATE_HZ = 16_000
PARTIAL_LAG_MS = 150
STABLE_LAG_MS = 300
FINAL_LAG_MS = 800


@dataclass(frozen=True, slots=True)
class Span:
    start_ms: float
    end_ms: float

    def holds(self, at_ms: float) -> bool:
        return self.start_ms <= at_ms <= self.end_ms


@dataclass(frozen=True, slots=True)
class Phrase:
    """One stretch of voice. `words`: when each ends, and the phrase's text up to it."""

    text: str
    span: Span
    words: tuple[tuple[float, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Clip:
    """`pcm`: 16-bit mono at 16 kHz. An answer meets a silent agent, all others one that speaks all the time.

    Phrases without words are sounds that no recogniser takes for words.
    """

    name: str
    language: Language
    kind: Kind
    pcm: bytes
    phrases: tuple[Phrase, ...]

    @property
    def is_over_agent(self) -> bool:
        return self.kind != "answer"

    @property
    def voice(self) -> Span:
        return Span(self.phrases[0].span.start_ms, self.phrases[-1].span.end_ms)

    @property
    def pauses(self) -> tuple[Span, ...]:
        spans = [phrase.span for phrase in self.phrases]
        return tuple(Span(one.end_ms, other.start_ms) for one, other in itertools.pairwise(spans))

    @property
    def has_words(self) -> bool:
        return any(phrase.words for phrase in self.phrases)

    @property
    def duration_ms(self) -> float:
        return len(self.pcm) / 2 / RATE_HZ * 1_000

    def final_ms(self, after: int) -> float | None:
        """When the words up to phrase `after` become final; None when the voice goes on before that."""
        due_ms = self.phrases[after].span.end_ms + FINAL_LAG_MS
        is_last = after == len(self.phrases) - 1
        return due_ms if is_last or due_ms <= self.phrases[after + 1].span.start_ms else None


def transcripts(clip: Clip) -> Iterator[tuple[float, WordsHeard]]:
    """As Transcribe would: a partial after each word, its last item stable a little later, a final after silence.

    A final closes its segment with a full stop, finished or not, as Transcribe's finals do.
    """
    before: list[str] = []
    segment = 1
    for number, phrase in enumerate(clip.phrases):
        for end_ms, text in phrase.words:
            yield end_ms + PARTIAL_LAG_MS, WordsHeard(str(segment), join((*before, text)), is_final=False)
        if not phrase.words:
            continue
        before.append(phrase.text)
        final_ms = clip.final_ms(number)
        shown = join((*before[:-1], phrase.words[-1][1]))
        yield phrase.span.end_ms + STABLE_LAG_MS, WordsHeard(str(segment), shown, is_final=False, settled=True)
        if final_ms is not None:
            yield final_ms, WordsHeard(str(segment), _closed(join(before)), is_final=True, settled=True)
            before, segment = [], segment + 1


def _closed(text: str) -> str:
    bare = text.rstrip(",，")
    if bare.endswith((".", "?", "!", "。", "？", "！")):
        return bare
    return bare + ("。" if is_ideograph(bare[-1]) else ".")
