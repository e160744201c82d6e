"""When a reply is begun before its turn has ended, and whether it stands; on virtual time."""

from dataclasses import replace

import pytest

from sessions.live.config import TurnSettings
from sessions.live.turn_taking.decisions import (
    DropSpeculation,
    DropTurn,
    EndTurn,
    Interrupt,
    KeepSpeculation,
    Speculate,
)
from sessions.live.turn_taking.events import ClientCleared, SegmentsLost, SettingsChanged, VoiceStarted, VoiceStopped
from sessions.live.turn_taking.phrases import begins_alike, is_backchannel, same_words, sounds_unfinished
from tests.unit.turn_talk import SPEAKING, THINKING, Talk, spoken

EAGER = TurnSettings()
KINDS = (Speculate, KeepSpeculation, DropSpeculation, EndTurn, DropTurn)


def said(text: str, *, settled: bool = True, settings: TurnSettings = EAGER) -> Talk:
    talk = Talk(settings).at(0, VoiceStarted()).at(900, spoken(text, settled=settled))
    return talk.at(1_000, VoiceStopped())


def test_settled_words_and_a_short_silence_begin_a_reply_that_stands_when_the_turn_ends() -> None:
    talk = said("what time is it").wait_until(9_000)
    assert talk.of(*KINDS) == [
        Speculate("what time is it", "settled"),
        KeepSpeculation(),
        EndTurn("what time is it", "silence", speculation_stands=True),
    ]
    assert talk.times_of(Speculate, EndTurn) == [1_150, 1_500]


def test_a_final_that_changes_marks_and_case_only_keeps_it() -> None:
    talk = said("what time is it").at(1_350, spoken("What time is it?", is_final=True))
    assert talk.of(EndTurn) == [EndTurn("What time is it?", "final", speculation_stands=True)]


def test_other_words_throw_it_away() -> None:
    talk = said("what time is it").at(1_250, spoken("what time is it in Paris", settled=True)).wait_until(9_000)
    assert talk.of(*KINDS) == [
        Speculate("what time is it", "settled"),
        DropSpeculation("words"),
        Speculate("what time is it in Paris", "settled"),
        KeepSpeculation(),
        EndTurn("what time is it in Paris", "silence", speculation_stands=True),
    ]


def test_other_words_in_the_final_that_ends_the_turn_leave_no_reply_ahead_of_time() -> None:
    talk = said("what time is it").at(1_400, spoken("What time was it?", is_final=True))
    assert talk.of(*KINDS)[1:] == [DropSpeculation("words"), EndTurn("What time was it?", "final")]


def test_unfinished_words_begin_nothing() -> None:
    assert said("I would like to").wait_until(9_000).of(Speculate) == []


def test_partial_words_that_sound_finished_begin_a_reply_when_they_stay_the_same() -> None:
    talk = said("what time", settled=False).at(1_200, spoken("what time is it")).wait_until(1_600)
    assert talk.timed[-1] == (1_500, Speculate("what time is it", "quiet"))


def test_partial_words_from_before_the_voices_end_lack_the_last_ones_and_begin_nothing() -> None:
    assert said("what time is", settled=False).wait_until(2_500).of(Speculate) == []


def test_a_final_begins_a_reply_though_the_voice_goes_on() -> None:
    talk = Talk(EAGER).at(0, VoiceStarted()).at(900, spoken("What time is it?", is_final=True)).wait_until(9_000)
    assert talk.of(*KINDS)[-1] == EndTurn("What time is it?", "final_in_voice", speculation_stands=True)
    assert talk.times_of(Speculate) == [900]


def test_new_voice_throws_it_away_but_a_click_does_not() -> None:
    talk = said("what time is it").at(1_200, VoiceStarted()).at(1_300, VoiceStopped()).wait_until(1_350)
    assert talk.of(DropSpeculation) == []
    talk.at(1_350, VoiceStarted()).wait_until(1_560)
    assert talk.of(DropSpeculation) == [DropSpeculation("voice")]


def test_the_same_words_are_not_begun_again_while_the_voice_speaks_against_them() -> None:
    talk = Talk(EAGER).at(0, VoiceStarted()).at(900, spoken("Wait.", is_final=True)).at(1_000, VoiceStopped())
    talk.at(1_100, VoiceStarted()).wait_until(1_900)
    assert talk.of(Speculate, DropSpeculation) == [Speculate("Wait.", "final"), DropSpeculation("voice")]


def test_three_a_turn_and_no_more() -> None:
    talk = Talk(EAGER)
    for n in range(1, 7):
        talk.at(n * 1_000, VoiceStarted()).at(n * 1_000 + 500, spoken("one more thing " * n, settled=True))
        talk.at(n * 1_000 + 600, VoiceStopped())
    assert len(talk.of(Speculate)) == 3
    assert talk.of(EndTurn) == []


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (ClientCleared(), "turn_dropped"),
        (SettingsChanged(replace(EAGER, speculation=False)), "settings"),
        (THINKING, "agent"),
        (SegmentsLost(), "words"),
    ],
)
def test_what_makes_it_pointless_throws_it_away(event: ClientCleared, reason: str) -> None:
    assert said("what time is it").at(1_200, event).of(DropSpeculation) == [DropSpeculation(reason)]


@pytest.mark.parametrize(
    "settings",
    [replace(EAGER, speculation=False), replace(EAGER, creates_reply=False), replace(EAGER, mode="manual")],
)
def test_by_setting_nothing_is_begun(settings: TurnSettings) -> None:
    assert said("what time is it", settings=settings).wait_until(9_000).of(Speculate) == []


def test_nothing_is_begun_while_the_agent_speaks_but_after_the_interruption() -> None:
    talk = Talk(EAGER).at(0, SPEAKING).at(1_000, VoiceStarted()).at(1_400, spoken("stop", settled=True))
    talk.at(1_500, VoiceStopped()).wait_until(9_000)
    assert talk.of(Interrupt, *KINDS)[:2] == [Interrupt("words"), Speculate("stop", "settled")]


# --- what words alone tell -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"), [("What time?", "what  time"), ("你好，世界。", "你好世界"), ("It's ５.", "its 5"), ("", "...")]
)
def test_case_spaces_and_marks_make_no_other_words(one: str, other: str) -> None:
    assert same_words(one, other)


def test_one_letter_makes_other_words() -> None:
    assert not same_words("what time is it", "what times is it")
    assert not same_words("几点", "几点了")


def test_nothing_begins_like_silence() -> None:
    assert begins_alike("What time", "what time is it?")
    assert not begins_alike("", "what")
    assert not begins_alike("who", "what")


@pytest.mark.parametrize(
    "text",
    "and|I want to|so,|我想，|I would like to.|um|Uh.|because|and...|因为|我想去，因为。|然后|就是|那个|你和|但是|如果".split(
        "|"
    ),
)
def test_open_endings_sound_unfinished(text: str) -> None:
    assert sounds_unfinished(text)


@pytest.mark.parametrize(
    "text",
    "What time is it?|stop|好的。||Turn it on.|What is it for?|stop that|嗯|嗯。|很暖和|你好吗|因为什么？".split("|"),
)
def test_whole_sentences_sound_finished(text: str) -> None:
    assert not sounds_unfinished(text)


def test_a_long_text_of_backchannels_is_judged_quickly() -> None:
    assert not is_backchannel("mm hm " * 2_000 + "no")
    assert is_backchannel("嗯哼" * 2_000)
