"""The published table is the engine's own, and whole: every state knows what every event makes of it."""

from itertools import product
from pathlib import Path

import pytest

from sessions.live.config import TurnSettings
from sessions.live.turn_taking.engine import TurnEngine
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
from sessions.live.turn_taking.situation import State
from sessions.live.turn_taking.transitions import EVENTS, STATES, TRANSITIONS
from tests.turn_table import page

PAGE = Path(__file__).resolve().parents[2] / "docs" / "turn_taking.md"
EXAMPLES: dict[type[TurnEvent], TurnEvent] = {
    type(event): event
    for event in (
        VoiceStarted(),
        VoiceStopped(),
        WordsHeard("9", "hello", False),
        SegmentsLost(),
        AgentChanged(True),
        ClientCommitted(),
        ClientCleared(),
        SettingsChanged(),
        SessionClosed(),
        TimePassed(),
    )
}
WAYS_IN: dict[State, tuple[TurnEvent, ...]] = {
    "waiting": (),
    "speaking": (VoiceStarted(),),
    "pausing": (VoiceStarted(), VoiceStopped()),
    "committing": (ClientCommitted(),),
}


def test_the_page_is_the_one_of_the_code() -> None:
    """To mend: `python -m tests.turn_table > docs/turn_taking.md`."""
    assert PAGE.read_text(encoding="utf-8") == page()


@pytest.mark.parametrize(("state", "event"), list(product(STATES, EVENTS)))
def test_every_state_knows_every_event_and_the_engine_does_what_its_table_says(
    state: State, event: type[TurnEvent]
) -> None:
    rows = [row for row in TRANSITIONS if (row.state, row.event) == (state, event)]
    assert rows[-1].when == "always"
    engine = TurnEngine(TurnSettings())
    for way_in in WAYS_IN[state]:
        engine.handle(way_in, 0)
    assert engine.state == state
    engine.handle(EXAMPLES[event], 10)
    assert engine.state in {row.to for row in rows}


def test_every_open_state_has_ways_out_by_time_and_by_the_client() -> None:
    for state in STATES:
        if state != "waiting":
            ways_out = {row.event for row in TRANSITIONS if row.state == state and row.to == "waiting"}
            assert ways_out == {TimePassed, ClientCleared, SessionClosed}
