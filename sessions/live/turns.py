"""Drives the turn engine: feeds it events and time, and carries its decisions out as facts, items and published words."""

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from sessions.live import facts, turn_taking
from sessions.live.config import TurnSettings
from sessions.live.items import Content, MessageItem
from sessions.live.turn_taking import Decision, TurnEngine, TurnEvent
from sessions.speech_to_text.contract import Transcript
from workers.streams.messages import TranscriptEntry

PARTIAL_INTERVAL_MS = 200.0


@dataclass(slots=True)
class Turn:
    """One utterance. `item_id` also names its transcript on the transcripts stream. Times are the session's milliseconds."""

    item_id: str
    started_ms: float
    audio_start_ms: int
    paused_ms: float = 0.0
    ended_ms: float = 0.0
    text: str = ""
    told_ms: float = 0.0
    speculations: int = 0
    dropped_speculations: int = 0
    is_speculation_right: bool = False


class TurnHost(Protocol):
    """What the turns need of their session."""

    def now_ms(self) -> float: ...

    def new_id(self, prefix: str) -> str: ...

    def audio_position_ms(self) -> int: ...

    def deliver(self, fact: facts.Fact) -> None: ...

    def keep_item(self, item: MessageItem) -> str | None: ...

    def tell_words(self, entry: TranscriptEntry) -> None: ...

    def interrupt_reply(self, reason: str) -> None: ...

    def turn_ended(self, turn: Turn) -> None: ...

    def hold_facts(self) -> None: ...

    def turn_dropped(self) -> None: ...


class Turns:
    """One per session; `handle` is called on the event loop only."""

    def __init__(self, settings: TurnSettings, host: TurnHost) -> None:
        self.engine = TurnEngine(settings)
        self._host = host
        self._turn: Turn | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._waiting_events: deque[TurnEvent] = deque()

    @property
    def is_open(self) -> bool:
        return self.engine.is_turn_open

    @property
    def is_committing(self) -> bool:
        """The client has closed the turn by hand and its last words are awaited."""
        return self.engine.state == "committing"

    def change_settings(self, settings: TurnSettings) -> None:
        self.engine.settings = settings

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def hear_words(self, transcript: Transcript) -> None:
        is_settled = bool(transcript.text) and transcript.stable_text.strip() == transcript.text.strip()
        self.handle(turn_taking.WordsHeard(transcript.segment_id, transcript.text, transcript.is_final, is_settled))

    def handle(self, event: TurnEvent) -> None:
        """Carrying out a decision may cause the next event; it waits until the decisions before it are done."""
        self._waiting_events.append(event)
        if len(self._waiting_events) > 1:
            return
        while self._waiting_events:
            for decision in self.engine.handle(self._waiting_events[0], self._host.now_ms()):
                self._carry_out(decision)
            self._waiting_events.popleft()
        self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline_ms = self.engine.deadline_ms
        if deadline_ms is not None:
            delay_seconds = max(0.0, deadline_ms - self._host.now_ms()) / 1_000
            self._timer = asyncio.get_running_loop().call_later(delay_seconds + 0.001, self._time_passed)

    def _time_passed(self) -> None:
        self._timer = None
        self.handle(turn_taking.TimePassed())

    def _carry_out(self, decision: Decision) -> None:
        match decision:
            case turn_taking.StartTurn():
                self._start()
            case turn_taking.UserPaused():
                self._pause()
            case turn_taking.ChangeWords():
                self._change_words(decision)
            case turn_taking.Interrupt():
                self._host.interrupt_reply(decision.reason)
            case turn_taking.EndTurn():
                self._end(decision.text)
            case turn_taking.DropTurn():
                self._drop(decision.reason)

    def _start(self) -> None:
        position_ms = self._host.audio_position_ms()
        self._turn = Turn(self._host.new_id("item"), self._host.now_ms(), position_ms)
        self._host.deliver(facts.UserSpeechStarted(self._turn.item_id, position_ms))

    def _pause(self) -> None:
        if self._turn is not None:
            self._turn.paused_ms = self._host.now_ms()

    def _change_words(self, decision: turn_taking.ChangeWords) -> None:
        turn = self._turn
        if turn is None:
            return
        turn.text = decision.text
        self._host.deliver(facts.UserWordsChanged(turn.item_id, decision.text, decision.new_final))
        now_ms = self._host.now_ms()
        if now_ms - turn.told_ms >= PARTIAL_INTERVAL_MS:
            turn.told_ms = now_ms
            self._host.tell_words(TranscriptEntry(turn.item_id, "partial", decision.text))

    def _end(self, text: str) -> None:
        turn = self._take_turn()
        if turn is not None:
            self._host.hold_facts()
            self._commit(turn, text)
            self._host.turn_ended(turn)

    def _commit(self, turn: Turn, text: str) -> None:
        """The turn becomes an item, and the client is told in the standard's order."""
        turn.text, turn.ended_ms = text, self._host.now_ms()
        turn.paused_ms = turn.paused_ms or turn.ended_ms
        item = MessageItem(turn.item_id, "user", (Content("input_audio", text),))
        previous = self._host.keep_item(item)
        self._stop_speech(turn)
        self._host.deliver(facts.InputCommitted(turn.item_id, previous))
        self._host.deliver(facts.ItemAdded(item, previous))
        seconds = (turn.paused_ms - turn.started_ms) / 1_000
        self._host.deliver(facts.UserTurnTranscribed(turn.item_id, text, max(seconds, 0.0)))
        self._host.deliver(facts.ItemFinished(item, previous))

    def _drop(self, reason: str) -> None:
        """A phantom turn: speech was announced, so its end is too, and a commit is answered; nothing else."""
        turn = self._take_turn()
        if turn is not None:
            if reason == "empty_commit":
                self._commit(turn, "")
            else:
                self._stop_speech(turn)
            self._host.tell_words(TranscriptEntry(turn.item_id, "discarded"))
        self._host.turn_dropped()

    def _stop_speech(self, turn: Turn) -> None:
        self._host.deliver(facts.UserSpeechStopped(turn.item_id, self._host.audio_position_ms()))

    def _take_turn(self) -> Turn | None:
        turn, self._turn = self._turn, None
        return turn
