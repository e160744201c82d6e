"""Drives the turn engine: feeds it events and time, and carries its decisions out as facts, items and published words."""

import asyncio
from collections import deque
from dataclasses import dataclass, replace
from typing import Protocol

from sessions.live import facts
from sessions.live.config import TurnSettings
from sessions.live.items import Content, MessageItem
from sessions.live.turn_taking import decisions as decided
from sessions.live.turn_taking import events
from sessions.live.turn_taking.decisions import Decision
from sessions.live.turn_taking.engine import TurnEngine
from sessions.live.turn_taking.events import TurnEvent
from sessions.live.turn_taking.log import Line, to_line
from sessions.speech_to_text.contract import Transcript
from workers.log_context import name_turn
from workers.streams.messages import TranscriptEntry

Lines = list[Line]
PARTIAL_INTERVAL_MS = 200.0
LOG_DELAY_SECONDS = 1.0
"""The log is written when the reply to the turn is on its way, not while it is asked for."""
WAITING_LINES = 200


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

    def amend_item(self, item: MessageItem) -> None: ...

    def tell_words(self, entry: TranscriptEntry) -> None: ...

    def interrupt_reply(self, reason: str) -> None: ...

    def turn_ended(self, turn: Turn) -> None: ...

    def hold_facts(self) -> None: ...

    def turn_dropped(self) -> None: ...

    def input_timed_out(self) -> None:
        """The client has been told; the agent may speak."""
        ...

    def keep_decisions(self, lines: Lines) -> None:
        """Lines of the engine's log, in order, to be kept; returns at once."""
        ...


class Floor(Protocol):
    """Who can hold a reply and begin one ahead of time; without it the engine decides neither."""

    def hold_reply(self) -> None:
        """Send no more sound until `resume_reply` or an interruption."""
        ...

    def resume_reply(self) -> None:
        """Go on with the next sample. Nothing when the held reply has ended meanwhile."""
        ...

    def speculate(self, turn: Turn, text: str) -> None:
        """Begin the reply to `text` behind the gate; `turn_ended` or `drop_speculation` follows, once."""
        ...

    def drop_speculation(self, reason: str) -> None: ...


class Turns:
    """One per session; `handle` is called on the event loop only."""

    def __init__(self, settings: TurnSettings, host: TurnHost, floor: Floor | None = None) -> None:
        self._host = host
        self._floor = floor
        self.engine = TurnEngine(self._possible(settings))
        self._turn: Turn | None = None
        self._ended: Turn | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._log_timer: asyncio.TimerHandle | None = None
        self._waiting_events: deque[TurnEvent] = deque()
        self._is_closed = False

    @property
    def is_open(self) -> bool:
        return self.engine.is_turn_open

    @property
    def is_committing(self) -> bool:
        """The client has closed the turn by hand and its last words are awaited."""
        return self.engine.state == "committing"

    def change_settings(self, settings: TurnSettings) -> None:
        settings = self._possible(settings)
        if settings != self.engine.settings:
            self.handle(events.SettingsChanged(settings))

    def close(self) -> None:
        """What is open is closed and the log's last lines are kept; events that come afterwards change nothing."""
        if self._is_closed:
            return
        self.handle(events.SessionClosed())
        self._is_closed = True
        for timer in (self._timer, self._log_timer):
            if timer is not None:
                timer.cancel()
        self._keep_log()

    def hear_words(self, transcript: Transcript) -> None:
        is_settled = bool(transcript.text) and transcript.stable_text.strip() == transcript.text.strip()
        self.handle(events.WordsHeard(transcript.segment_id, transcript.text, transcript.is_final, is_settled))

    def _possible(self, settings: TurnSettings) -> TurnSettings:
        return settings if self._floor is not None else replace(settings, speculation=False, holds_reply=False)

    def handle(self, event: TurnEvent) -> None:
        """Carrying out a decision may cause the next event; it waits until the decisions before it are done."""
        if self._is_closed:
            return
        self._waiting_events.append(event)
        if len(self._waiting_events) > 1:
            return
        while self._waiting_events:
            decisions = self.engine.handle(self._waiting_events[0], self._host.now_ms())
            for decision in decisions:
                self._carry_out(decision)
            self._keep_log_later(decisions)
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
        self.handle(events.TimePassed())

    def _carry_out(self, decision: Decision) -> None:
        match decision:
            case decided.StartTurn():
                self._start(decision.for_ms)
            case decided.UserPaused():
                self._pause(decision.for_ms)
            case decided.ChangeWords():
                self._change_words(decision)
            case decided.Interrupt():
                self._host.interrupt_reply(decision.reason)
            case decided.EndTurn():
                self._end(decision)
            case decided.AmendTurn():
                self._amend(decision)
            case decided.DropTurn():
                self._drop(decision.reason)
            case decided.TimeOut():
                self._time_out(decision.quiet_ms)
            case _:
                self._use_floor(decision)

    def _use_floor(self, decision: Decision) -> None:
        """KeepSpeculation needs no hand: the EndTurn right after it says the same."""
        floor, turn = self._floor, self._turn
        if floor is None:
            return
        match decision:
            case decided.HoldReply():
                floor.hold_reply()
            case decided.ResumeReply():
                floor.resume_reply()
            case decided.Speculate() if turn is not None:
                floor.speculate(turn, decision.text)
            case decided.DropSpeculation():
                floor.drop_speculation(decision.reason)

    def _start(self, for_ms: float) -> None:
        """The protocol's beginning of speech lies before the first voice, by the client's own padding."""
        padding_ms = int(for_ms) + self.engine.settings.prefix_padding_ms
        position_ms = max(0, self._host.audio_position_ms() - padding_ms)
        self._turn = Turn(self._host.new_id("item"), self._host.now_ms() - for_ms, position_ms)
        name_turn(self._turn.item_id)
        self._host.deliver(facts.UserSpeechStarted(self._turn.item_id, position_ms))

    def _pause(self, for_ms: float) -> None:
        if self._turn is not None:
            self._turn.paused_ms = self._host.now_ms() - for_ms

    def _change_words(self, decision: decided.ChangeWords) -> None:
        turn = self._turn
        if turn is None:
            return
        turn.text = decision.text
        self._host.deliver(facts.UserWordsChanged(turn.item_id, decision.text, decision.new_final))
        now_ms = self._host.now_ms()
        if now_ms - turn.told_ms >= PARTIAL_INTERVAL_MS:
            turn.told_ms = now_ms
            self._host.tell_words(TranscriptEntry(turn.item_id, "partial", decision.text))

    def _end(self, decision: decided.EndTurn) -> None:
        turn = self._take_turn()
        if turn is not None:
            self._ended = turn
            self._host.hold_facts()
            self._commit(turn, decision.text)
            turn.is_speculation_right = decision.speculation_stands
            self._host.turn_ended(turn)

    def _amend(self, decision: decided.AmendTurn) -> None:
        """The item of the turn that ended last is corrected; the client is told when a word of it has changed."""
        turn = self._ended
        if turn is None:
            return
        turn.text = decision.text
        self._host.amend_item(_item(turn))
        if decision.changes_words:
            self._host.deliver(facts.UserTurnTranscribed(turn.item_id, decision.text, 0.0))

    def _commit(self, turn: Turn, text: str) -> None:
        """The turn becomes an item, and the client is told in the standard's order."""
        turn.text, turn.ended_ms = text, self._host.now_ms()
        turn.paused_ms = turn.paused_ms or turn.ended_ms
        self._stop_speech(turn)
        self._tell_of_item(turn, max(0.0, turn.paused_ms - turn.started_ms) / 1_000)

    def _tell_of_item(self, turn: Turn, seconds: float) -> None:
        item = _item(turn)
        previous = self._host.keep_item(item)
        self._host.deliver(facts.InputCommitted(turn.item_id, previous))
        self._host.deliver(facts.ItemAdded(item, previous))
        self._host.deliver(facts.UserTurnTranscribed(turn.item_id, turn.text, seconds))
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

    def _time_out(self, quiet_ms: float) -> None:
        """The quiet audio becomes an item without words, as the Realtime protocol has it, and the agent may speak."""
        position_ms = self._host.audio_position_ms()
        turn = Turn(self._host.new_id("item"), self._host.now_ms(), position_ms)
        self._host.deliver(facts.InputTimedOut(turn.item_id, max(0, position_ms - int(quiet_ms)), position_ms))
        self._tell_of_item(turn, 0.0)
        self._host.input_timed_out()

    def _stop_speech(self, turn: Turn) -> None:
        self._host.deliver(facts.UserSpeechStopped(turn.item_id, self._host.audio_position_ms()))

    def _take_turn(self) -> Turn | None:
        turn, self._turn = self._turn, None
        return turn

    # --- for another process ----------------------------------------------------------------------------------------

    @property
    def open_turn(self) -> Turn | None:
        return self._turn

    def end_kept(self, turn: Turn) -> None:
        """Another process had begun it and its sound is gone: the words that were heard count, and are answered."""
        if not turn.text:
            self._stop_speech(turn)
            return
        self._commit(turn, turn.text)
        self._host.turn_ended(turn)

    def let_go(self) -> None:
        """Another process goes on: nothing that is open is closed here."""
        self._turn = self._ended = None
        self.close()

    # --- the log ----------------------------------------------------------------------------------------------------

    def _keep_log_later(self, decisions: tuple[Decision, ...]) -> None:
        is_over = any(isinstance(decision, decided.EndTurn | decided.DropTurn) for decision in decisions)
        if self._log_timer is None and (is_over or self.engine.log.untaken >= WAITING_LINES):
            self._log_timer = asyncio.get_running_loop().call_later(LOG_DELAY_SECONDS, self._keep_log)

    def _keep_log(self) -> None:
        self._log_timer = None
        lines = self.engine.log.take()
        if lines:
            self._host.keep_decisions([to_line(line) for line in lines])


def _item(turn: Turn) -> MessageItem:
    return MessageItem(turn.item_id, "user", (Content("input_audio", turn.text),))
