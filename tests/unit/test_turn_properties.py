"""Ten thousand orders of events: whatever happens, each turn ends once, each hold and each speculation is decided once."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sessions.live.config import TurnSettings
from sessions.live.turn_taking.decisions import DropTurn, EndTurn, Interrupt, StartTurn, TimeOut
from sessions.live.turn_taking.ending import MAX_TURN_MS, NO_WORDS_MS
from sessions.live.turn_taking.engine import TurnEngine
from sessions.live.turn_taking.events import (
    AgentChanged,
    ClientCleared,
    ClientCommitted,
    SegmentsLost,
    SessionClosed,
    SettingsChanged,
    TurnEvent,
    VoiceStarted,
    VoiceStopped,
    WordsHeard,
)
from tests.unit.turn_talk import Talk, check_promises

SETTINGS = (
    TurnSettings(),
    TurnSettings(idle_timeout_ms=5_000, echo_warm_up_ms=300, backchannel_words=("go on",)),
    TurnSettings(mode="manual"),
    TurnSettings(mode="semantic_vad", long_end_silence_ms=8_000, keeps_protected_words=False),
    TurnSettings(interrupts_reply=False, speculation=False),
    TurnSettings(creates_reply=False, holds_reply=False, ignores_backchannels=False),
)
TEXTS = (
    "",
    "yes",
    "Yes.",
    "mm-hm",
    "嗯",
    "what time",
    "what time is it",
    "What time is it?",
    "what time is it and",
    "你好，今天天气怎么样",
    "因为",
    "停",
)
DELAYS_MS = (0, 0, 20, 100, 160, 250, 320, 480, 700, 1_100, 2_100, 3_300, 11_000, 31_000)

Maker = Callable[[int], TurnEvent]


def _words(*, is_final: bool, settled: bool = False) -> Maker:
    """Few ids, so that they are repeated: early, late, empty, shrinking and contradicting transcripts."""
    return lambda data: WordsHeard("abc"[data // 16 % 3], TEXTS[data % len(TEXTS)], is_final, settled)


MAKERS: tuple[Maker, ...] = (
    lambda data: VoiceStarted(float(data % 3 * 40)),
    lambda data: VoiceStarted(),
    lambda data: VoiceStopped(float(data % 2 * 200)),
    lambda data: VoiceStopped(),
    _words(is_final=False),
    _words(is_final=False, settled=True),
    _words(is_final=True),
    _words(is_final=True),
    lambda data: AgentChanged(is_busy=True),
    lambda data: AgentChanged(True, True, can_be_interrupted=data % 4 != 0, is_asking=data % 8 == 1),
    lambda data: AgentChanged(is_busy=False),
    lambda data: SegmentsLost(),
    lambda data: ClientCommitted(),
    lambda data: ClientCleared(),
    lambda data: SettingsChanged(SETTINGS[data % len(SETTINGS)]),
)
SEQUENCES = st.binary(min_size=6, max_size=72)
MANY = settings(max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck), database=None)
FEWER = settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck), database=None)


def steps(sequence: bytes) -> Iterator[tuple[int, TurnEvent]]:
    """Three bytes are a step: a delay, a kind of event, its content."""
    for delay, kind, data in zip(*[iter(sequence)] * 3, strict=False):
        yield DELAYS_MS[delay % len(DELAYS_MS)], MAKERS[kind % len(MAKERS)](data)


def held(sequence: bytes) -> Talk:
    """A whole talk, to its last deadline and the closing of its session."""
    talk = Talk(SETTINGS[sequence[0] % len(SETTINGS)])
    for delay_ms, event in steps(sequence[1:]):
        talk.at(talk.now_ms + delay_ms, event)
    return talk


@MANY
@given(SEQUENCES)
def test_every_turn_hold_and_speculation_is_decided_once_in_any_order_of_events(sequence: bytes) -> None:
    """V3, V9 and the bounds of V8, as far as they are the engine's; the session is closed at any moment."""
    talk = held(sequence).at(0, SessionClosed())
    check_promises(talk.timed)
    assert talk.engine.state == "waiting"
    assert talk.engine.handle(SessionClosed(), talk.now_ms) == (), "nothing is left to close"


@FEWER
@given(SEQUENCES)
def test_no_state_lacks_a_way_out_that_needs_no_event(sequence: bytes) -> None:
    """With the voice over, words or no words, time alone ends every turn; with the voice on for ever too."""
    for last in (VoiceStopped(), VoiceStarted()):
        talk = held(sequence)
        talk.at(talk.now_ms, last).wait_until(talk.now_ms + MAX_TURN_MS)
        assert not talk.engine.is_turn_open or talk.engine.state == "speaking"
        talk.wait_until(talk.now_ms + MAX_TURN_MS)
        assert talk.engine.state == "waiting"
        check_promises(talk.timed)


@FEWER
@given(SEQUENCES)
def test_replaying_the_log_gives_the_same_decisions(sequence: bytes) -> None:
    talk = held(sequence)
    again = TurnEngine(SETTINGS[sequence[0] % len(SETTINGS)])
    for line in talk.engine.log:
        if line.number > 0:
            assert again.handle(line.event, line.at_ms) == line.decisions
    assert again.state == talk.engine.state
    assert again.deadline_ms == talk.engine.deadline_ms


@FEWER
@given(SEQUENCES)
def test_a_free_or_protected_agent_is_never_interrupted(sequence: bytes) -> None:
    """V4 as the engine can keep it: one floor, one holder; and an interruption needs a reply that allows it."""
    engine = TurnEngine(TurnSettings())
    now_ms, agent, interrupts = 0, AgentChanged(is_busy=False), True
    for delay_ms, event in steps(sequence):
        now_ms += delay_ms
        agent = event if isinstance(event, AgentChanged) else agent
        interrupts = event.settings.interrupts_reply if isinstance(event, SettingsChanged) else interrupts
        for decision in engine.handle(event, now_ms):
            if isinstance(decision, Interrupt):
                assert agent.is_busy
                assert agent.can_be_interrupted
                assert interrupts
                agent = replace(agent, is_busy=False)


@FEWER
@given(SEQUENCES)
def test_words_of_an_ended_turn_stand_in_no_second_one(sequence: bytes) -> None:
    """V6 as the engine can keep it: a repeated or late final of the same segment neither starts nor ends a turn again."""
    talk = held(sequence)
    settings_changed = SettingsChanged(TurnSettings())
    talk.at(talk.now_ms, settings_changed).at(talk.now_ms, ClientCleared()).at(talk.now_ms, VoiceStopped())
    talk.at(talk.now_ms, AgentChanged(is_busy=False)).at(talk.now_ms, WordsHeard("x", "tell me a story", False, True))
    talk.wait_until(talk.now_ms + 4_000)
    ended = len(talk.of(EndTurn))
    for text in ("Tell me a story.", "Tell me a story.", "tell me"):
        talk.at(talk.now_ms + 10, WordsHeard("x", text, is_final=True))
    talk.wait_until(talk.now_ms + NO_WORDS_MS)
    assert len(talk.of(EndTurn)) == ended


@pytest.mark.parametrize("mode", ["server_vad", "semantic_vad"])
def test_time_outs_come_only_after_the_agent_has_sounded(mode: str) -> None:
    talk = Talk(TurnSettings(mode=mode, idle_timeout_ms=5_000)).wait_until(60_000)  # type: ignore[arg-type]
    assert talk.of(TimeOut, StartTurn, DropTurn) == []
