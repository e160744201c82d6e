"""The turn engine on virtual time: no clock, no sleep, every decision from events alone."""

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessions.live.config import TurnSettings
from sessions.live.turn_taking import (
    AgentChanged,
    ChangeWords,
    ClientCleared,
    ClientCommitted,
    Decision,
    DropTurn,
    EndTurn,
    Interrupt,
    SegmentsLost,
    StartTurn,
    TimePassed,
    TurnEngine,
    TurnEvent,
    UserPaused,
    VoiceStarted,
    VoiceStopped,
    WordsHeard,
    sounds_unfinished,
)


class Talk:
    """An engine and a clock: events at given times, and the time in between as the engine's own deadlines want it."""

    def __init__(self, settings: TurnSettings | None = None) -> None:
        self.engine = TurnEngine(settings or TurnSettings())
        self.now_ms = 0.0
        self.decisions: list[Decision] = []

    def at(self, at_ms: float, event: TurnEvent) -> "Talk":
        self.wait_until(at_ms)
        self.decisions += self.engine.handle(event, self.now_ms)
        return self

    def wait_until(self, at_ms: float) -> "Talk":
        while (deadline := self.engine.deadline_ms) is not None and deadline <= at_ms:
            self.now_ms = max(self.now_ms, deadline)
            before = self.engine.deadline_ms
            self.decisions += self.engine.handle(TimePassed(), self.now_ms)
            assert self.engine.deadline_ms != before or self.engine.state == "waiting", (
                "a deadline that changes nothing"
            )
        self.now_ms = max(self.now_ms, at_ms)
        return self

    def of(self, *kinds: type[Decision]) -> list[Decision]:
        return [decision for decision in self.decisions if isinstance(decision, kinds)]


def spoken(text: str, segment_id: str = "1", *, is_final: bool = False, settled: bool = False) -> WordsHeard:
    return WordsHeard(segment_id, text, is_final, settled)


def test_a_turn_ends_with_its_final_words() -> None:
    talk = Talk().at(0, VoiceStarted()).at(900, spoken("what time")).at(1_000, VoiceStopped())
    talk.at(1_300, spoken("What time is it?", is_final=True))
    assert talk.of(StartTurn, UserPaused, EndTurn) == [StartTurn(), UserPaused(), EndTurn("What time is it?", "final")]


def test_settled_words_and_silence_end_a_turn_without_a_final() -> None:
    talk = Talk().at(0, VoiceStarted()).at(900, spoken("what time is it", settled=True)).at(1_000, VoiceStopped())
    assert talk.wait_until(1_499).of(EndTurn) == []
    assert talk.wait_until(1_501).of(EndTurn) == [EndTurn("what time is it", "silence")]


def test_words_that_sound_unfinished_wait_longer() -> None:
    talk = Talk().at(0, VoiceStarted()).at(900, spoken("I would like to", settled=True)).at(1_000, VoiceStopped())
    assert talk.wait_until(3_900).of(EndTurn) == []
    assert talk.wait_until(4_001).of(EndTurn) == [EndTurn("I would like to", "silence")]


def test_a_late_final_of_an_ended_turn_opens_no_new_one() -> None:
    talk = Talk().at(0, VoiceStarted()).at(900, spoken("what time is it", settled=True)).at(1_000, VoiceStopped())
    talk.at(2_900, spoken("What time is it?", is_final=True)).wait_until(20_000)
    assert len(talk.of(StartTurn)) == len(talk.of(EndTurn)) == 1


def test_new_words_in_a_late_final_are_a_turn_of_their_own() -> None:
    talk = Talk().at(0, VoiceStarted()).at(900, spoken("what time is it", settled=True)).at(1_000, VoiceStopped())
    talk.at(2_000, spoken("What time is it in Paris?", is_final=True)).wait_until(9_000)
    assert talk.of(EndTurn) == [EndTurn("what time is it", "silence"), EndTurn("in Paris?", "final")]


def test_voice_without_words_is_a_phantom_and_closes_silently() -> None:
    talk = Talk().at(0, VoiceStarted()).at(300, VoiceStopped()).wait_until(10_000)
    assert talk.decisions == [StartTurn(), UserPaused(), DropTurn("no_words")]


def test_words_without_voice_open_and_end_a_turn() -> None:
    talk = Talk().at(0, spoken("hello", is_final=True)).wait_until(5_000)
    assert talk.of(StartTurn, EndTurn) == [StartTurn(), EndTurn("hello", "final")]


def test_noise_that_keeps_the_voice_on_cannot_hold_a_final_for_ever() -> None:
    talk = Talk().at(0, VoiceStarted()).at(1_000, spoken("hello there", is_final=True)).wait_until(10_000)
    assert talk.of(EndTurn) == [EndTurn("hello there", "final")]


def test_segments_of_one_turn_are_joined() -> None:
    talk = Talk().at(0, VoiceStarted()).at(500, spoken("one", "1", is_final=True)).at(900, spoken("two", "2"))
    talk.at(1_000, VoiceStopped()).at(1_200, spoken("two.", "2", is_final=True))
    assert talk.of(EndTurn) == [EndTurn("one two.", "final")]


def test_chinese_segments_are_joined_without_a_space() -> None:
    talk = Talk().at(0, VoiceStarted()).at(500, spoken("你好，", "1", is_final=True)).at(900, spoken("今天", "2"))
    talk.at(1_000, VoiceStopped()).at(1_200, spoken("今天天气怎么样？", "2", is_final=True))
    assert talk.of(EndTurn) == [EndTurn("你好，今天天气怎么样？", "final")]


def test_a_reopened_stream_repeats_no_words() -> None:
    talk = Talk().at(0, VoiceStarted()).at(500, spoken("what is", "1:a")).at(600, SegmentsLost())
    talk.at(900, spoken("what is this", "2:a")).at(1_000, VoiceStopped())
    talk.at(1_200, spoken("What is this?", "2:a", is_final=True))
    assert talk.of(EndTurn) == [EndTurn("What is this?", "final")]


# --- interruption ---------------------------------------------------------------------------------------------------


def test_half_a_second_of_voice_interrupts() -> None:
    talk = Talk().at(0, AgentChanged(True)).at(1_000, VoiceStarted())
    assert talk.wait_until(1_499).of(Interrupt) == []
    assert talk.wait_until(1_501).of(Interrupt) == [Interrupt("voice")]


def test_a_cough_does_not_interrupt() -> None:
    talk = Talk().at(0, AgentChanged(True)).at(1_000, VoiceStarted()).at(1_200, VoiceStopped()).wait_until(9_000)
    assert talk.of(Interrupt) == []


def test_two_characters_of_words_interrupt() -> None:
    talk = Talk().at(0, AgentChanged(True)).at(1_000, VoiceStarted()).at(1_200, spoken("no"))
    assert talk.of(Interrupt) == [Interrupt("words")]


def test_one_interruption_a_reply() -> None:
    talk = Talk().at(0, AgentChanged(True)).at(1_000, VoiceStarted()).at(1_200, spoken("no")).at(1_300, spoken("no no"))
    assert len(talk.wait_until(1_900).of(Interrupt)) == 1


def test_a_reply_that_may_not_be_interrupted_is_not() -> None:
    talk = Talk(TurnSettings(interrupts_reply=False)).at(0, AgentChanged(True)).at(10, VoiceStarted())
    assert talk.at(900, spoken("stop that")).wait_until(1_500).of(Interrupt) == []


# --- push to talk ---------------------------------------------------------------------------------------------------


def test_in_manual_mode_only_the_client_ends_a_turn() -> None:
    talk = Talk(TurnSettings(mode="manual")).at(0, VoiceStarted()).at(500, spoken("hello", is_final=True))
    assert talk.at(700, VoiceStopped()).wait_until(60_000).of(StartTurn, EndTurn) == []
    assert talk.at(60_001, ClientCommitted()).of(EndTurn) == [EndTurn("hello", "commit")]


def test_a_commit_waits_for_the_last_words() -> None:
    talk = Talk(TurnSettings(mode="manual")).at(500, spoken("hel")).at(600, ClientCommitted())
    assert talk.of(EndTurn) == []
    assert talk.at(1_500, spoken("hello", is_final=True)).of(EndTurn) == [EndTurn("hello", "commit")]


def test_a_commit_without_words_ends_within_two_seconds() -> None:
    talk = Talk(TurnSettings(mode="manual")).at(0, ClientCommitted()).wait_until(2_100)
    assert talk.of(DropTurn) == [DropTurn("empty_commit")]


def test_clearing_drops_the_turn() -> None:
    talk = Talk().at(0, VoiceStarted()).at(500, spoken("hello")).at(600, ClientCleared()).wait_until(9_000)
    assert talk.of(EndTurn, DropTurn) == [DropTurn("cleared")]


@pytest.mark.parametrize("text", ["and", "I want to", "so,", "我想，"])
def test_open_endings_sound_unfinished(text: str) -> None:
    assert sounds_unfinished(text)


@pytest.mark.parametrize("text", ["What time is it?", "stop", "好的。", ""])
def test_whole_sentences_sound_finished(text: str) -> None:
    assert not sounds_unfinished(text)


# --- every order of events ------------------------------------------------------------------------------------------

EVENTS = st.one_of(
    st.just(VoiceStarted()),
    st.just(VoiceStopped()),
    st.just(ClientCommitted()),
    st.just(ClientCleared()),
    st.just(SegmentsLost()),
    st.builds(AgentChanged, st.booleans()),
    st.builds(
        WordsHeard,
        st.sampled_from("abc"),
        st.sampled_from(["", "yes", "no way", "你好", "well and"]),
        st.booleans(),
        st.booleans(),
    ),
)
STEPS = st.lists(st.tuples(st.integers(0, 2_500), EVENTS), max_size=40)


def check_turns(decisions: Iterable[Decision]) -> None:
    """Every turn starts before it ends and ends exactly once; words belong to an open turn."""
    is_open = False
    for decision in decisions:
        if isinstance(decision, StartTurn):
            assert not is_open
            is_open = True
        elif isinstance(decision, EndTurn | DropTurn):
            assert is_open
            is_open = False
            assert not isinstance(decision, EndTurn) or decision.text
    assert not is_open


@settings(max_examples=500, deadline=None)
@given(STEPS)
def test_every_turn_ends_exactly_once_in_any_order_of_events(steps: list[tuple[int, TurnEvent]]) -> None:
    talk = Talk()
    for delay_ms, event in steps:
        talk.at(talk.now_ms + delay_ms, event)
    talk.at(talk.now_ms + 1, VoiceStopped()).wait_until(talk.now_ms + 10_000)
    check_turns(talk.decisions)
    assert talk.engine.state == "waiting"


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_replaying_the_events_gives_the_same_decisions(steps: list[tuple[int, TurnEvent]]) -> None:
    talk = Talk()
    for delay_ms, event in steps:
        talk.at(talk.now_ms + delay_ms, event)
    again = TurnEngine(TurnSettings())
    for line in talk.engine.log:
        assert again.handle(line.event, line.at_ms) == line.decisions
    assert talk.of(ChangeWords) is not None
