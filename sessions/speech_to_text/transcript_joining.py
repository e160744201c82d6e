"""Joins the transcripts of one stream after another into one: one clock, no word twice, finals only ever appended; pure."""

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import TypeVar

from sessions.speech_to_text.contract import Transcript

CUT_WORD_MS = 300
"""A word this close to where a stream's sound was cut off may be half a word: the next stream hears it whole."""
REMEMBERED_SEGMENTS = 64

Value = TypeVar("Value")


@dataclass(slots=True)
class _Ended:
    """A segment that became final; `repeats` tells a later segment of the same id from it."""

    end_ms: int
    repeats: int


@dataclass(slots=True)
class StreamWords:
    """What is known of one stream: words up to `from_ms` are an earlier stream's, those after `until_ms` the next one's."""

    number: int
    from_ms: int
    until_ms: int | None = None
    ended: OrderedDict[str, _Ended] = field(default_factory=OrderedDict)
    unfinished: OrderedDict[str, Transcript] = field(default_factory=OrderedDict)


class TranscriptJoiner:
    """Times are milliseconds of the session's sound. Feed it in the order in which things are heard."""

    def __init__(self) -> None:
        self._streams = 0
        self.final_until_ms = 0

    def begin(self) -> StreamWords:
        self._streams += 1
        return StreamWords(self._streams, self.final_until_ms)

    def take_over(self, stream: StreamWords) -> None:
        """The stream before has said its last: this one's words begin where its final ones ended."""
        stream.from_ms = self.final_until_ms

    def cut_off(self, stream: StreamWords, at_ms: int) -> None:
        """The stream gets no sound after `at_ms`; its last words, perhaps half heard, are left to the next one."""
        stream.until_ms = at_ms - CUT_WORD_MS

    def take(self, stream: StreamWords, heard: Transcript, base_ms: float, sent_ms: float) -> Transcript | None:
        """What is new in it, in session time; None when nothing is.

        `base_ms` is where the stream's sound began and `sent_ms` how far it was sent: no result can lie outside.
        """
        ended = stream.ended.get(heard.segment_id)
        at = _in_session(heard, base_ms, sent_ms)
        if ended is not None and at.end_ms <= ended.end_ms:
            return None
        segment_id = f"{stream.number}:{heard.segment_id}" + (f"#{ended.repeats}" if ended is not None else "")
        joined = _between(replace(at, segment_id=segment_id), stream)
        if joined is None or not joined.text:
            return None
        joined = self._after_all_finals(joined)
        if not joined.is_final:
            _remember(stream.unfinished, segment_id, joined)
            return joined
        stream.unfinished.pop(segment_id, None)
        _remember(stream.ended, heard.segment_id, _Ended(at.end_ms, ended.repeats + 1 if ended is not None else 1))
        self.final_until_ms = max(self.final_until_ms, joined.end_ms)
        return joined

    def keep_unrepeatable(self, stream: StreamWords, repeatable_from_ms: float) -> list[Transcript]:
        """The stream broke, and its sound is kept only from `repeatable_from_ms` on: words before are made final."""
        kept: list[Transcript] = []
        for partial in stream.unfinished.values():
            count = sum(1 for word in partial.words if word.end_ms <= repeatable_from_ms)
            if count and partial.words[count - 1].text_end:
                final = self._after_all_finals(replace(_first_words(partial, count), is_final=True))
                kept.append(replace(final, stable_text=final.text))
                self.final_until_ms = max(self.final_until_ms, kept[-1].end_ms)
        return kept

    def _after_all_finals(self, joined: Transcript) -> Transcript:
        start_ms = max(joined.start_ms, self.final_until_ms)
        return replace(joined, start_ms=start_ms, end_ms=max(start_ms, joined.end_ms))


def _in_session(heard: Transcript, base_ms: float, sent_ms: float) -> Transcript:
    def at(stream_ms: int) -> int:
        return round(min(max(base_ms + stream_ms, base_ms), max(base_ms, sent_ms)))

    words = tuple(replace(word, start_ms=at(word.start_ms), end_ms=at(word.end_ms)) for word in heard.words)
    return replace(heard, start_ms=at(heard.start_ms), end_ms=at(heard.end_ms), words=words)


def _between(heard: Transcript, stream: StreamWords) -> Transcript | None:
    """The part of the segment that is this stream's to tell."""
    if not heard.words:
        is_old = stream.from_ms > 0 and heard.end_ms <= stream.from_ms
        return None if is_old else heard
    until_ms = stream.until_ms
    if until_ms is not None:
        count = sum(1 for word in heard.words if word.end_ms <= until_ms)
        if count < len(heard.words):
            heard = _first_words(heard, count)
    return _without_old_words(heard, stream.from_ms) if heard.words else None


def _first_words(heard: Transcript, count: int) -> Transcript:
    words = heard.words[:count]
    text = heard.text[: words[-1].text_end] if words else ""
    end_ms = words[-1].end_ms if words else heard.start_ms
    return replace(heard, text=text, stable_text=heard.stable_text[: len(text)], end_ms=end_ms, words=words)


def _without_old_words(heard: Transcript, from_ms: int) -> Transcript | None:
    old = 0
    while from_ms and old < len(heard.words) and heard.words[old].middle_ms <= from_ms:
        old += 1
    if not old:
        return heard
    words = heard.words[old:]
    if not words:
        return None
    cut = heard.words[old - 1].text_end
    cut += len(heard.text[cut:]) - len(heard.text[cut:].lstrip())
    return replace(
        heard,
        text=heard.text[cut:],
        stable_text=heard.stable_text[cut:],
        start_ms=words[0].start_ms,
        words=tuple(replace(word, text_end=word.text_end - cut) for word in words),
    )


def _remember(kept: "OrderedDict[str, Value]", key: str, value: Value) -> None:
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > REMEMBERED_SEGMENTS:
        kept.popitem(last=False)
