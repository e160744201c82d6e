"""The turn engine: (event, time) in, decisions out; no clock and no I/O. It owns when a turn starts, ends and interrupts.

States and what leads out of each are the rows of `transitions`; when something is due is said by the policies of
`interruption`, `ending` and `speculation`. docs/turn_taking.md shows all of them.
"""

from dataclasses import replace

from sessions.live.config import TurnSettings
from sessions.live.turn_taking import ending, interruption, speculation
from sessions.live.turn_taking.decisions import (
    AmendTurn,
    ChangeWords,
    Decision,
    DropSpeculation,
    DropTurn,
    EndTurn,
    HoldReply,
    Interrupt,
    KeepSpeculation,
    ResumeReply,
    Speculate,
    StartTurn,
    TimeOut,
    UserPaused,
)
from sessions.live.turn_taking.events import (
    AgentChanged,
    ClientCleared,
    ClientCommitted,
    SegmentsLost,
    SessionClosed,
    SettingsChanged,
    TimePassed,
    TurnEvent,
    VoiceStarted,
    VoiceStopped,
    WordsHeard,
)
from sessions.live.turn_taking.log import TurnLog
from sessions.live.turn_taking.situation import Policy, Situation, Speculation, State, first_due
from sessions.live.turn_taking.transitions import next_state
from sessions.live.turn_taking.words import NOTHING, Heard

_DEADLINES: tuple[tuple[Policy, ...], ...] = (
    speculation.GIVE_UP,
    interruption.INTERRUPTION,
    interruption.HOLD,
    interruption.RESUME,
    speculation.SPECULATE,
    ending.TIME_OUT,
)


class TurnEngine:
    """One per session. `handle` is the only way in; `deadline_ms` says when TimePassed is wanted."""

    def __init__(self, settings: TurnSettings) -> None:
        self.log = TurnLog(settings)
        self._now = Situation(settings)

    @property
    def settings(self) -> TurnSettings:
        return self._now.settings

    @property
    def state(self) -> State:
        return self._now.state

    @property
    def is_turn_open(self) -> bool:
        return self._now.is_turn_open

    @property
    def deadline_ms(self) -> float | None:
        """The earliest time at which TimePassed could change anything; None while nothing is pending."""
        dues = [first_due(policies, self._now) for policies in _DEADLINES]
        pending = [due.at_ms for due in dues if due is not None]
        if self._now.is_turn_open:
            pending.append(self._end_deadline()[0])
        return min(pending, default=None)

    def handle(self, event: TurnEvent, at_ms: float) -> tuple[Decision, ...]:
        heard = self._note(event, at_ms)
        decisions = self._move(event, heard, at_ms)
        self._judge_speculation(decisions, at_ms)
        self._judge_interruption(decisions, at_ms)
        self._judge_end(decisions, at_ms)
        self._judge_beginning(decisions, at_ms)
        if decisions or not isinstance(event, TimePassed):
            self.log.add(at_ms, event, self._now.state, tuple(decisions))
        return tuple(decisions)

    # --- what has happened ------------------------------------------------------------------------------------------

    def _note(self, event: TurnEvent, at_ms: float) -> Heard:
        """The event becomes part of what is known; no decision yet."""
        now = self._now
        match event:
            case VoiceStarted():
                self._note_voice(at_ms - event.for_ms)
            case VoiceStopped():
                self._note_silence(at_ms - event.for_ms)
            case WordsHeard():
                return self._note_words(event, at_ms)
            case SegmentsLost():
                now.words.lose_unfinished()
            case AgentChanged():
                self._note_agent(event, at_ms)
            case ClientCommitted():
                now.committed_ms = at_ms
            case SettingsChanged():
                now.settings = event.settings
            case ClientCleared() | SessionClosed() | TimePassed():
                pass
        return NOTHING

    def _note_voice(self, since_ms: float) -> None:
        now = self._now
        if now.voice_since_ms is not None:
            return
        now.voice_since_ms = since_ms
        if now.state == "pausing" and now.words.text:
            ending.learn_pause(now, since_ms - now.voice_ended_ms, ending.PAUSE_WEIGHT)
        elif now.state == "waiting" and now.is_answer_unheard:
            ending.learn_pause(now, since_ms - now.voice_ended_ms, ending.CUT_IN_WEIGHT)

    def _note_silence(self, since_ms: float) -> None:
        now = self._now
        if now.voice_since_ms is not None:
            now.voice_lasted_ms = since_ms - now.voice_since_ms
            now.voice_since_ms, now.voice_ended_ms = None, since_ms
            if now.speculation is not None:
                now.speculation.is_over_voice = False

    def _note_words(self, event: WordsHeard, at_ms: float) -> Heard:
        now = self._now
        heard = now.words.hear(event, at_ms, now.is_turn_open)
        if heard.text is not None:
            now.words_changed_ms = at_ms
        return heard

    def _note_agent(self, event: AgentChanged, at_ms: float) -> None:
        now, before = self._now, self._now.agent
        now.agent = event
        if event.is_busy and not before.is_busy:
            now.busy_since_ms, now.quiet_since_ms = at_ms, None
        if event.is_speaking and not before.is_speaking:
            now.speaking_since_ms, now.is_answer_unheard = at_ms, False
        if before.is_busy and not event.is_busy:
            now.agent_ended_ms, now.has_asked, now.quiet_since_ms = at_ms, before.is_asking, at_ms

    # --- the transition table ---------------------------------------------------------------------------------------

    def _move(self, event: TurnEvent, heard: Heard, at_ms: float) -> list[Decision]:
        """One row of the table. A change of state says which decision it is."""
        now = self._now
        before = now.state
        decisions: list[Decision] = []
        if heard.amended is not None:
            decisions.append(AmendTurn(heard.amended, heard.changes_words))
        after = next_state(now, type(event), heard.text is not None)
        if before == "waiting" and after != "waiting":
            decisions.append(self._start(event, after, at_ms))
        elif after == "waiting" and before != "waiting":
            self._drop(decisions, "cleared" if isinstance(event, ClientCleared) else "closed", at_ms)
        elif after == "pausing" and before == "speaking":
            decisions.append(UserPaused(at_ms - now.voice_ended_ms))
        elif isinstance(event, ClientCleared):
            now.words.take(is_ended=False, ended_ms=at_ms)
        now.state = after
        if heard.text is not None:
            decisions.append(ChangeWords(now.words.text, heard.text if _is_final(event) else ""))
        return decisions

    def _start(self, event: TurnEvent, state: State, at_ms: float) -> Decision:
        now = self._now
        is_voice = isinstance(event, VoiceStarted)
        now.turn_started_ms = at_ms - (event.for_ms if isinstance(event, VoiceStarted) else 0.0)
        if state == "pausing":
            now.voice_ended_ms = at_ms
        now.began_over_agent, now.began_protected = now.agent.is_busy, now.is_protected
        now.was_interrupted, now.speculations, now.given_up_text = False, 0, ""
        reason = "commit" if state == "committing" else "voice" if is_voice else "words"
        return StartTurn(reason, at_ms - now.turn_started_ms)

    # --- speculation ------------------------------------------------------------------------------------------------

    def _judge_speculation(self, decisions: list[Decision], at_ms: float) -> None:
        due = first_due(speculation.GIVE_UP, self._now)
        if due is not None and due.at_ms <= at_ms:
            self._give_up(decisions, due.reason)

    def _give_up(self, decisions: list[Decision], reason: str) -> None:
        known, self._now.speculation = self._now.speculation, None
        if known is not None:
            self._now.given_up_text = known.text
            decisions.append(DropSpeculation(reason))

    def _judge_beginning(self, decisions: list[Decision], at_ms: float) -> None:
        """What begins without the user: a reply ahead of the turn's end, or one after a long silence."""
        now = self._now
        due = first_due(speculation.SPECULATE, now)
        if due is not None and due.at_ms <= at_ms:
            now.speculation = Speculation(now.words.text, is_over_voice=now.voice_since_ms is not None)
            now.speculations += 1
            decisions.append(Speculate(now.words.text, due.reason))
        timeout = first_due(ending.TIME_OUT, now)
        if timeout is not None and timeout.at_ms <= at_ms:
            decisions.append(TimeOut(at_ms - (now.quiet_since_ms or 0.0)))
            now.quiet_since_ms = None

    # --- interruption -----------------------------------------------------------------------------------------------

    def _judge_interruption(self, decisions: list[Decision], at_ms: float) -> None:
        now = self._now
        due = first_due(interruption.INTERRUPTION, now)
        if due is not None and due.at_ms <= at_ms:
            self._interrupt(decisions, due.reason)
        due = first_due(interruption.HOLD, now)
        if due is not None and due.at_ms <= at_ms:
            now.held_since_ms = at_ms
            decisions.append(HoldReply(due.reason))
        due = first_due(interruption.RESUME, now)
        if due is not None and due.at_ms <= at_ms:
            self._resume(decisions, due.reason)

    def _interrupt(self, decisions: list[Decision], reason: str) -> None:
        """The agent counts as free at once; the host's AgentChanged says the same a little later."""
        now = self._now
        now.agent = replace(now.agent, is_busy=False, is_speaking=False)
        now.was_interrupted, now.held_since_ms = True, None
        decisions.append(Interrupt(reason))

    def _resume(self, decisions: list[Decision], reason: str) -> None:
        if self._now.held_since_ms is not None:
            self._now.held_since_ms = None
            decisions.append(ResumeReply(reason))

    # --- end of turn ------------------------------------------------------------------------------------------------

    def _end_deadline(self) -> tuple[float, str]:
        due = first_due(ending.END, self._now)
        limit_ms = self._now.turn_started_ms + ending.MAX_TURN_MS
        return (due.at_ms, due.reason) if due is not None and due.at_ms <= limit_ms else (limit_ms, "too_long")

    def _judge_end(self, decisions: list[Decision], at_ms: float) -> None:
        now = self._now
        if not now.is_turn_open:
            return
        deadline_ms, reason = self._end_deadline()
        state = next_state(now, TimePassed, at_ms >= deadline_ms)
        if state == now.state:
            return
        drop = first_due(ending.DROP, now)
        if drop is not None or not now.words.text:
            self._drop(decisions, drop.reason if drop is not None else reason, at_ms)
        else:
            self._end(decisions, reason, at_ms)
        now.state = state

    def _end(self, decisions: list[Decision], reason: str, at_ms: float) -> None:
        """A whole utterance takes the floor, however few its words; after a commit the client itself decides."""
        now = self._now
        if now.agent.is_busy and not now.is_protected and now.state != "committing":
            self._interrupt(decisions, "turn")
        self._resume(decisions, "turn_ended")
        stands, now.speculation = now.speculation is not None, None
        if stands:
            decisions.append(KeepSpeculation())
        decisions.append(EndTurn(now.words.text, reason, stands))
        now.words.take(is_ended=True, ended_ms=now.voice_ended_ms if now.voice_since_ms is None else at_ms)
        now.quiet_since_ms, now.is_answer_unheard = None, now.voice_since_ms is None
        now.pause_average_ms *= ending.PAUSE_FADING

    def _drop(self, decisions: list[Decision], reason: str, at_ms: float) -> None:
        now = self._now
        self._give_up(decisions, "turn_dropped")
        self._resume(decisions, "turn_dropped")
        decisions.append(DropTurn(reason))
        now.words.take(is_ended=False, ended_ms=at_ms)
        if not now.agent.is_busy:
            now.quiet_since_ms = at_ms


def _is_final(event: TurnEvent) -> bool:
    return isinstance(event, WordsHeard) and event.is_final
