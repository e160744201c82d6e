"""The transition table: what each event makes of each state. The engine reads it, and docs/turn_taking.md shows it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import get_args

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
from sessions.live.turn_taking.situation import Situation, State

Guard = Callable[[Situation, bool], bool]
STATES: tuple[State, ...] = get_args(State)
EVENTS: tuple[type[TurnEvent], ...] = get_args(TurnEvent)


@dataclass(frozen=True, slots=True)
class Transition:
    """The first row of a state and event whose `when` holds is taken."""

    state: State
    event: type[TurnEvent]
    when: str
    to: State


GUARDS: dict[str, Guard] = {
    "always": lambda now, has_news: True,
    "hands free": lambda now, has_news: now.is_hands_free,
    "hands free, new words, voice on": lambda now, has_news: (
        has_news and now.is_hands_free and now.voice_since_ms is not None
    ),
    "hands free, new words": lambda now, has_news: has_news and now.is_hands_free,
    "the end is due": lambda now, has_news: has_news,
}
"""The second argument: the event brought new words, or an end-of-turn policy is due."""


def _stays(state: State, *events: type[TurnEvent]) -> tuple[Transition, ...]:
    return tuple(Transition(state, event, "always", state) for event in events)


def _closes(state: State) -> tuple[Transition, ...]:
    """The ways out of every open turn. An end that is due is taken after any event, not after TimePassed only."""
    return (
        Transition(state, ClientCleared, "always", "waiting"),
        Transition(state, SessionClosed, "always", "waiting"),
        Transition(state, TimePassed, "the end is due", "waiting"),
        *_stays(state, TimePassed, SegmentsLost, AgentChanged, SettingsChanged),
    )


TRANSITIONS: tuple[Transition, ...] = (
    Transition("waiting", VoiceStarted, "hands free", "speaking"),
    Transition("waiting", WordsHeard, "hands free, new words, voice on", "speaking"),
    Transition("waiting", WordsHeard, "hands free, new words", "pausing"),
    Transition("waiting", ClientCommitted, "always", "committing"),
    *_stays("waiting", VoiceStarted, VoiceStopped, WordsHeard, SegmentsLost, AgentChanged),
    *_stays("waiting", ClientCleared, SettingsChanged, SessionClosed, TimePassed),
    Transition("speaking", VoiceStopped, "always", "pausing"),
    Transition("speaking", ClientCommitted, "always", "committing"),
    *_stays("speaking", VoiceStarted, WordsHeard),
    *_closes("speaking"),
    Transition("pausing", VoiceStarted, "always", "speaking"),
    Transition("pausing", ClientCommitted, "always", "committing"),
    *_stays("pausing", VoiceStopped, WordsHeard),
    *_closes("pausing"),
    *_stays("committing", VoiceStarted, VoiceStopped, WordsHeard, ClientCommitted),
    *_closes("committing"),
)


def _by_pair() -> dict[tuple[State, type[TurnEvent]], tuple[tuple[Guard, State], ...]]:
    pairs: dict[tuple[State, type[TurnEvent]], tuple[tuple[Guard, State], ...]] = {}
    for row in TRANSITIONS:
        key = (row.state, row.event)
        pairs[key] = (*pairs.get(key, ()), (GUARDS[row.when], row.to))
    return pairs


_ROWS = _by_pair()


def next_state(now: Situation, event: type[TurnEvent], has_news: bool) -> State:
    return next(to for guard, to in _ROWS[now.state, event] if guard(now, has_news))
