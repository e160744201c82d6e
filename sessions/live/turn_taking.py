"""The turn engine: (event, time) in, decisions out; no clock and no I/O. It owns when a turn starts, ends and interrupts.

States and what leads out of each:

| state      | leaves on                                                                                  |
|------------|--------------------------------------------------------------------------------------------|
| waiting    | voice or words -> speaking                                                                 |
| speaking   | voice stops -> pausing; final words without voice -> waiting (turn ended)                  |
| pausing    | voice -> speaking; final words, or settled words and silence -> waiting (turn ended);      |
|            | no words for NO_WORDS_MS -> waiting (phantom turn dropped)                                 |
| committing | final words, or COMMIT_WAIT_MS -> waiting (turn ended, or dropped when there are no words) |
"""

from collections import deque
from dataclasses import dataclass
from typing import Literal

from sessions.live.config import TurnSettings

NO_WORDS_MS = 3_000
COMMIT_WAIT_MS = 2_000
FINAL_WHILE_VOICE_MS = 1_200
"""Noise may keep the voice activity on: words that stay final this long end the turn all the same."""
KEPT_DECISIONS = 500
REMEMBERED_SEGMENTS = 20

State = Literal["waiting", "speaking", "pausing", "committing"]


@dataclass(frozen=True, slots=True)
class VoiceStarted:
    pass


@dataclass(frozen=True, slots=True)
class VoiceStopped:
    pass


@dataclass(frozen=True, slots=True)
class WordsHeard:
    """A transcript of one segment: its whole text so far. `settled` says that no word of it will change any more."""

    segment_id: str
    text: str
    is_final: bool
    settled: bool = False


@dataclass(frozen=True, slots=True)
class SegmentsLost:
    """The recogniser's stream broke: what was not final will be heard again under other ids."""


@dataclass(frozen=True, slots=True)
class AgentChanged:
    """`is_busy`: a reply is being made or heard, so that speech now would be an interruption."""

    is_busy: bool


@dataclass(frozen=True, slots=True)
class ClientCommitted:
    pass


@dataclass(frozen=True, slots=True)
class ClientCleared:
    pass


@dataclass(frozen=True, slots=True)
class TimePassed:
    pass


TurnEvent = (
    VoiceStarted
    | VoiceStopped
    | WordsHeard
    | SegmentsLost
    | AgentChanged
    | ClientCommitted
    | ClientCleared
    | TimePassed
)


@dataclass(frozen=True, slots=True)
class StartTurn:
    pass


@dataclass(frozen=True, slots=True)
class UserPaused:
    """The voice stopped; the turn may go on."""


@dataclass(frozen=True, slots=True)
class ChangeWords:
    """All words of the turn so far; `new_final` is what has just become final."""

    text: str
    new_final: str


@dataclass(frozen=True, slots=True)
class EndTurn:
    text: str
    reason: Literal["final", "silence", "commit"]


@dataclass(frozen=True, slots=True)
class DropTurn:
    reason: Literal["no_words", "cleared", "empty_commit"]


@dataclass(frozen=True, slots=True)
class Interrupt:
    reason: Literal["voice", "words"]


Decision = StartTurn | UserPaused | ChangeWords | EndTurn | DropTurn | Interrupt

_OPEN_ENDINGS = (",", "，", "、", ";", "；", ":", "：", "-", "…")
_OPEN_WORDS = frozenset(
    "and or but so because if when the a an to of in on at with for from my your is are was um uh er".split()
)


def sounds_unfinished(text: str) -> bool:
    """Whether more words are likely to follow, judged by the last mark or word."""
    stripped = text.rstrip()
    if stripped.endswith(_OPEN_ENDINGS):
        return True
    last_word = stripped.rsplit(maxsplit=1)[-1:] or [""]
    return last_word[0].lower() in _OPEN_WORDS


def _join(parts: list[str]) -> str:
    """Segments side by side: a space between words, none between Chinese or Japanese characters."""
    joined = ""
    for part in (part.strip() for part in parts):
        if not part:
            continue
        is_tight = not joined or ord(joined[-1]) > 0x2E7F or ord(part[0]) > 0x2E7F
        joined += part if is_tight else " " + part
    return joined


class _Words:
    """The words of one turn by segment, and what of a segment an earlier turn has already taken."""

    def __init__(self) -> None:
        self.segments: dict[str, WordsHeard] = {}
        self._taken: dict[str, str] = {}

    def apply(self, event: WordsHeard) -> str | None:
        """Returns the segment's new text, or None when the event brings nothing new."""
        text = self._without_taken(event)
        known = self.segments.get(event.segment_id)
        if not text or (known is not None and known.is_final):
            return None
        self.segments[event.segment_id] = WordsHeard(event.segment_id, text, event.is_final, event.settled)
        return text

    def _without_taken(self, event: WordsHeard) -> str:
        """A late final of a turn that has ended repeats its words, perhaps with other marks; only what follows is new."""
        taken = self._taken.get(event.segment_id)
        if taken is None:
            return event.text.strip()
        letters = sum(1 for character in taken if character.isalnum())
        for position, character in enumerate(event.text):
            if letters == 0:
                rest = event.text[position:]
                return rest.strip(" ,.?!，。？！") and rest.strip()
            letters -= character.isalnum()
        return ""

    def take(self) -> None:
        """The turn has ended: its segments may still be amended or repeated, and must not open a turn by that."""
        for key, words in self.segments.items():
            self._taken[key] = self._taken.pop(key, "") + words.text
        self._taken = dict(list(self._taken.items())[-REMEMBERED_SEGMENTS:])
        self.segments = {}

    def lose_unfinished(self) -> None:
        self.segments = {key: words for key, words in self.segments.items() if words.is_final}

    @property
    def text(self) -> str:
        return _join([words.text for words in self.segments.values()])

    @property
    def are_final(self) -> bool:
        return bool(self.segments) and all(words.is_final for words in self.segments.values())

    @property
    def are_settled(self) -> bool:
        return bool(self.segments) and all(words.is_final or words.settled for words in self.segments.values())


@dataclass(frozen=True, slots=True)
class Decided:
    """One line of the engine's log: replaying the events gives the same decisions."""

    at_ms: float
    event: TurnEvent
    state: State
    decisions: tuple[Decision, ...]


class TurnEngine:
    """One per session. `handle` is the only way in; `deadline_ms` says when TimePassed is wanted."""

    def __init__(self, settings: TurnSettings) -> None:
        self.settings = settings
        self.state: State = "waiting"
        self.log: deque[Decided] = deque(maxlen=KEPT_DECISIONS)
        self._words = _Words()
        self._is_agent_busy = False
        self._voice_since_ms: float | None = None
        self._voice_ended_ms = 0.0
        self._words_changed_ms = 0.0
        self._committed_ms = 0.0

    def handle(self, event: TurnEvent, at_ms: float) -> tuple[Decision, ...]:
        decisions = [*self._apply(event, at_ms), *self._judge_interruption(at_ms), *self._judge_end(at_ms)]
        if decisions or not isinstance(event, TimePassed):
            self.log.append(Decided(at_ms, event, self.state, tuple(decisions)))
        return tuple(decisions)

    @property
    def deadline_ms(self) -> float | None:
        """The earliest time at which TimePassed could change anything; None while nothing is pending."""
        pending = [self._interruption_deadline(), self._end_deadline()]
        return min((at_ms for at_ms in pending if at_ms is not None), default=None)

    @property
    def is_turn_open(self) -> bool:
        return self.state != "waiting"

    def _apply(self, event: TurnEvent, at_ms: float) -> list[Decision]:
        match event:
            case VoiceStarted():
                self._voice_since_ms = at_ms
                return self._open_turn() if self.settings.mode != "manual" else []
            case VoiceStopped():
                return self._voice_stopped(at_ms)
            case WordsHeard():
                return self._words_heard(event, at_ms)
            case SegmentsLost():
                self._words.lose_unfinished()
                return []
            case AgentChanged():
                self._is_agent_busy = event.is_busy
                return []
            case ClientCommitted():
                opened = self._open_turn()
                self.state, self._committed_ms = "committing", at_ms
                return opened
            case ClientCleared():
                if self.is_turn_open:
                    return self._drop("cleared")
                self._words.take()
                return []
            case TimePassed():
                return []

    def _open_turn(self) -> list[Decision]:
        if self.state == "committing":
            return []
        was_waiting, self.state = self.state == "waiting", "speaking"
        return [StartTurn()] if was_waiting else []

    def _voice_stopped(self, at_ms: float) -> list[Decision]:
        self._voice_since_ms, self._voice_ended_ms = None, at_ms
        if self.state != "speaking":
            return []
        self.state = "pausing"
        return [UserPaused()]

    def _words_heard(self, event: WordsHeard, at_ms: float) -> list[Decision]:
        text = self._words.apply(event)
        if text is None:
            return []
        self._words_changed_ms = at_ms
        decisions: list[Decision] = []
        if self.settings.mode != "manual" and not self.is_turn_open:
            decisions += self._open_turn()
        if self.state == "speaking" and self._voice_since_ms is None:
            self.state, self._voice_ended_ms = "pausing", at_ms
        return [*decisions, ChangeWords(self._words.text, text if event.is_final else "")]

    # --- interruption ---------------------------------------------------------------------------------------------

    def _interruption_deadline(self) -> float | None:
        if not self._may_interrupt() or self._voice_since_ms is None:
            return None
        return self._voice_since_ms + self.settings.interrupt_voice_ms

    def _may_interrupt(self) -> bool:
        return self._is_agent_busy and self.settings.interrupts_reply and self.is_turn_open

    def _judge_interruption(self, at_ms: float) -> list[Decision]:
        if not self._may_interrupt():
            return []
        deadline = self._interruption_deadline()
        characters = sum(1 for character in self._words.text if character.isalnum())
        reason: Literal["voice", "words"] | None = None
        if characters >= self.settings.interrupt_characters:
            reason = "words"
        elif deadline is not None and at_ms >= deadline:
            reason = "voice"
        if reason is None:
            return []
        self._is_agent_busy = False
        return [Interrupt(reason)]

    # --- end of turn ----------------------------------------------------------------------------------------------

    def _end_deadline(self) -> float | None:
        if self.state == "committing":
            return self._committed_ms + COMMIT_WAIT_MS
        if self.state == "waiting" or self.settings.mode == "manual":
            return None
        if not self._words.segments:
            return self._voice_ended_ms + NO_WORDS_MS if self.state == "pausing" else None
        if self.state == "speaking":
            return self._words_changed_ms + FINAL_WHILE_VOICE_MS if self._words.are_final else None
        return self._silence_deadline()

    def _silence_deadline(self) -> float:
        quiet_since = max(self._voice_ended_ms, self._words_changed_ms)
        if self._words.are_final:
            return self._words_changed_ms
        if self._words.are_settled and not sounds_unfinished(self._words.text):
            return max(self._voice_ended_ms + self.settings.end_silence_ms, self._words_changed_ms)
        return quiet_since + self.settings.long_end_silence_ms

    def _judge_end(self, at_ms: float) -> list[Decision]:
        if self.state == "committing" and self._words.are_final:
            return self._end("commit")
        deadline = self._end_deadline()
        if deadline is None or at_ms < deadline:
            return []
        if not self._words.segments:
            return self._drop("empty_commit" if self.state == "committing" else "no_words")
        if self.state == "committing":
            return self._end("commit")
        return self._end("final" if self._words.are_final else "silence")

    def _end(self, reason: Literal["final", "silence", "commit"]) -> list[Decision]:
        text = self._words.text
        self._close()
        return [EndTurn(text, reason)]

    def _drop(self, reason: Literal["no_words", "cleared", "empty_commit"]) -> list[Decision]:
        self._close()
        return [DropTurn(reason)]

    def _close(self) -> None:
        self._words.take()
        self.state = "waiting"
        self._voice_since_ms = None
