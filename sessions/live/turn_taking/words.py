"""The words of one turn by segment, and what of each segment an earlier turn has already taken."""

from dataclasses import dataclass, field, replace

from sessions.live.turn_taking.events import WordsHeard
from sessions.live.turn_taking.phrases import begins_alike, is_ideograph, join, same_words

REMEMBERED_SEGMENTS = 20
LATE_WORDS_MS = 2_000
"""Transcribe's finals lag speech by 1.9 s at P99: later words in an old segment were spoken after its turn."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What one event brought: new text of the open turn's segment, or another text of the turn that ended last."""

    text: str | None = None
    amended: str | None = None
    changes_words: bool = False


NOTHING = Heard()


@dataclass(slots=True)
class EndedTurn:
    """The turn that ended last: its segments' texts, which may still be amended, and when the voice had ended."""

    texts: dict[str, str] = field(default_factory=dict)
    open_segments: set[str] = field(default_factory=set)
    ended_ms: float = 0.0

    @property
    def text(self) -> str:
        return join(self.texts.values())


class Words:
    """`text`, `are_final` and `are_settled` speak of the open turn."""

    def __init__(self) -> None:
        self._segments: dict[str, WordsHeard] = {}
        self._taken: dict[str, str] = {}
        self._heard_again: dict[str, str] = {}
        self._ended = EndedTurn()
        self.text = ""
        self.are_final = False
        self.are_settled = False

    def hear(self, event: WordsHeard, at_ms: float, is_turn_open: bool) -> Heard:
        key = self._taken_key(event)
        if key is None:
            return self._hear_new(event, event.text.strip())
        own, rest = _split_at_letters(event.text, self._taken[key])
        is_late = key in self._ended.texts and at_ms - self._ended.ended_ms <= LATE_WORDS_MS
        if is_late and not is_turn_open:
            return self._amend(key, event.text.strip()) if event.is_final else NOTHING
        heard = self._amend(key, own) if event.is_final else NOTHING
        return replace(heard, text=self._hear_new(event, rest).text) if rest else heard

    def take(self, *, is_ended: bool, ended_ms: float) -> None:
        """The turn is over: its segments may still be amended (`is_ended`) or repeated, and must not open a turn by that."""
        texts = {key: words.text for key, words in self._segments.items()}
        self._ended = EndedTurn()
        if is_ended:
            unfinished = {key for key, words in self._segments.items() if not words.is_final}
            self._ended = EndedTurn(texts, unfinished, ended_ms)
        for key, text in texts.items():
            self._taken[key] = join((self._taken.pop(key, ""), text))
        self._taken = dict(list(self._taken.items())[-REMEMBERED_SEGMENTS:])
        self._segments = {}
        self._refresh()

    def lose_unfinished(self) -> None:
        """What an ended turn had not heard to its final comes again, under ids yet unknown."""
        self._segments = {key: words for key, words in self._segments.items() if words.is_final}
        self._heard_again |= {key: self._taken[key] for key in self._ended.open_segments if key in self._taken}
        self._refresh()

    def _taken_key(self, event: WordsHeard) -> str | None:
        if event.segment_id in self._taken:
            return event.segment_id
        for old_key, text in self._heard_again.items():
            if begins_alike(text, event.text):
                self._rename(old_key, event.segment_id)
                return event.segment_id
        if event.text.strip():
            self._heard_again = {}
        return None

    def _rename(self, old_key: str, key: str) -> None:
        """Order matters: the ended turn's text is joined from its segments."""
        del self._heard_again[old_key]
        self._taken[key] = self._taken.pop(old_key)
        ended = self._ended
        if old_key in ended.texts:
            ended.texts = {key if known == old_key else known: text for known, text in ended.texts.items()}
        if old_key in ended.open_segments:
            ended.open_segments = ended.open_segments - {old_key} | {key}

    def _hear_new(self, event: WordsHeard, text: str) -> Heard:
        known = self._segments.get(event.segment_id)
        if known is not None and known.is_final:
            return NOTHING
        if text:
            self._segments[event.segment_id] = WordsHeard(event.segment_id, text, event.is_final, event.settled)
        elif known is not None and event.is_final:
            del self._segments[event.segment_id]
        else:
            return NOTHING
        self._refresh()
        return Heard(text)

    def _amend(self, key: str, text: str) -> Heard:
        """An empty final takes no word back that was answered."""
        ended = self._ended
        if key not in ended.open_segments or not text:
            return NOTHING
        before = ended.text
        ended.open_segments.discard(key)
        ended.texts[key] = self._taken[key] = text
        after = ended.text
        return NOTHING if after == before else Heard(None, after, not same_words(before, after))

    def _refresh(self) -> None:
        segments = self._segments.values()
        self.text = join(words.text for words in segments)
        self.are_final = bool(segments) and all(words.is_final for words in segments)
        self.are_settled = bool(segments) and all(words.is_final or words.settled for words in segments)


def _split_at_letters(text: str, taken: str) -> tuple[str, str]:
    """The part of `text` with as many letters as `taken`, to the end of its word and marks, and the rest if it has words."""
    letters = sum(1 for sign in taken if sign.isalnum())
    position = 0
    while letters > 0 and position < len(text):
        letters -= text[position].isalnum()
        position += 1
    while 0 < position < len(text) and not _is_border(text[position - 1], text[position]):
        position += 1
    while position < len(text) and not text[position].isalnum() and not text[position].isspace():
        position += 1
    rest = text[position:].strip()
    if not any(sign.isalnum() for sign in rest):
        return text.strip(), ""
    return text[:position].strip(), rest


def _is_border(before: str, after: str) -> bool:
    return not (before.isalnum() and after.isalnum()) or is_ideograph(before) or is_ideograph(after)
