"""A turn engine on virtual time: events at given times, and the time in between as the engine's own deadlines want it."""

from collections.abc import Iterable
from typing import Self

from sessions.live.config import TurnSettings
from sessions.live.turn_taking.decisions import (
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
)
from sessions.live.turn_taking.ending import MAX_TURN_MS
from sessions.live.turn_taking.engine import TurnEngine
from sessions.live.turn_taking.events import AgentChanged, TimePassed, TurnEvent, WordsHeard

SPEAKING = AgentChanged(is_busy=True, is_speaking=True)
THINKING = AgentChanged(is_busy=True)
FREE = AgentChanged(is_busy=False)
PLAIN = TurnSettings(speculation=False, holds_reply=False)
"""Turns and interruptions alone."""


class Talk:
    def __init__(self, settings: TurnSettings = PLAIN) -> None:
        self.settings = settings
        self.engine = TurnEngine(settings)
        self.now_ms = 0.0
        self.decisions: list[Decision] = []
        self.timed: list[tuple[float, Decision]] = []

    def at(self, at_ms: float, event: TurnEvent) -> Self:
        self.wait_until(at_ms)
        self._take(self.engine.handle(event, self.now_ms))
        return self

    def wait_until(self, at_ms: float) -> Self:
        while (deadline := self.engine.deadline_ms) is not None and deadline <= at_ms:
            self.now_ms = max(self.now_ms, deadline)
            decisions = self.engine.handle(TimePassed(), self.now_ms)
            assert decisions, f"a deadline at {deadline} that changes nothing"
            self._take(decisions)
        self.now_ms = max(self.now_ms, at_ms)
        return self

    def of(self, *kinds: type[Decision]) -> list[Decision]:
        return [decision for decision in self.decisions if isinstance(decision, kinds)]

    def times_of(self, *kinds: type[Decision]) -> list[float]:
        return [at_ms for at_ms, decision in self.timed if isinstance(decision, kinds)]

    def _take(self, decisions: Iterable[Decision]) -> None:
        self.decisions += decisions
        self.timed += [(self.now_ms, decision) for decision in decisions]


def spoken(text: str, segment_id: str = "1", *, is_final: bool = False, settled: bool = False) -> WordsHeard:
    return WordsHeard(segment_id, text, is_final, settled)


def check_promises(timed: Iterable[tuple[float, Decision]]) -> None:
    """What holds for any order of events, by decisions alone."""
    turn_since_ms: float | None = None
    is_held = has_speculation = False
    speculations = 0
    must_end = False
    for at_ms, decision in timed:
        assert not must_end or isinstance(decision, EndTurn), "a kept speculation is kept for its turn's end"
        match decision:
            case StartTurn():
                assert turn_since_ms is None, "one turn at a time"
                turn_since_ms, speculations = at_ms, 0
            case EndTurn() | DropTurn():
                assert turn_since_ms is not None, "a turn ends once"
                assert at_ms - turn_since_ms <= MAX_TURN_MS, "a turn ends within its limit"
                assert not is_held, "no hold outlives its turn"
                assert not has_speculation, "no speculation outlives its turn"
                assert not isinstance(decision, EndTurn) or decision.text
                assert not isinstance(decision, EndTurn) or decision.speculation_stands == must_end
                turn_since_ms, must_end = None, False
            case Speculate():
                assert turn_since_ms is not None
                assert not has_speculation
                has_speculation, speculations = True, speculations + 1
                assert speculations <= 3
            case KeepSpeculation() | DropSpeculation():
                assert has_speculation, "each speculation is decided once"
                has_speculation = False
                must_end = isinstance(decision, KeepSpeculation)
            case HoldReply():
                assert turn_since_ms is not None
                assert not is_held
                is_held = True
            case ResumeReply():
                assert is_held, "each hold is decided once"
                is_held = False
            case Interrupt():
                assert turn_since_ms is not None, "only a turn interrupts"
                is_held = False
            case ChangeWords() | TimeOut():
                assert isinstance(decision, ChangeWords) or turn_since_ms is None
            case _:
                pass
    assert turn_since_ms is None
    assert not is_held
    assert not has_speculation
    assert not must_end
