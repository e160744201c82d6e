"""When turns begin and end, on virtual time: no clock, no sleep, every decision from events alone."""

import pytest

from sessions.live.config import TurnSettings
from sessions.live.turn_taking.decisions import (
    AmendTurn,
    ChangeWords,
    DropTurn,
    EndTurn,
    Interrupt,
    StartTurn,
    TimeOut,
    UserPaused,
)
from sessions.live.turn_taking.events import (
    ClientCleared,
    ClientCommitted,
    SegmentsLost,
    SessionClosed,
    SettingsChanged,
    VoiceStarted,
    VoiceStopped,
)
from tests.unit.turn_talk import FREE, PLAIN, SPEAKING, THINKING, Talk, spoken

MANUAL = TurnSettings(mode="manual", speculation=False, holds_reply=False)


def said(text: str, *, settled: bool = True, settings: TurnSettings = PLAIN) -> Talk:
    """Voice from 0 to 1,000 ms, its words heard at 900 ms."""
    talk = Talk(settings).at(0, VoiceStarted()).at(900, spoken(text, settled=settled))
    return talk.at(1_000, VoiceStopped())


# --- end of turn ----------------------------------------------------------------------------------------------------


def test_a_late_final_ends_a_turn_at_once() -> None:
    talk = said("what time", settled=False).at(1_600, spoken("What time is it?", is_final=True))
    assert talk.of(StartTurn, UserPaused, EndTurn) == [
        StartTurn("voice"),
        UserPaused(0),
        EndTurn("What time is it?", "final"),
    ]
    assert talk.times_of(EndTurn) == [1_600]


def test_finals_of_one_breath_join() -> None:
    talk = (
        Talk().at(0, VoiceStarted()).at(900, spoken("What time is it.", "1", is_final=True)).at(1_000, VoiceStopped())
    )
    talk.at(1_250, VoiceStarted()).at(1_900, spoken("In Paris?", "2", is_final=True)).at(2_000, VoiceStopped())
    assert talk.wait_until(9_000).of(EndTurn) == [EndTurn("What time is it. In Paris?", "final")]
    assert talk.times_of(EndTurn) == [2_300]


def test_settled_words_and_silence_end_a_turn_without_a_final() -> None:
    talk = said("what time is it")
    assert talk.wait_until(1_499).of(EndTurn) == []
    assert talk.wait_until(1_501).of(EndTurn) == [EndTurn("what time is it", "silence")]


def test_silence_counts_from_the_last_voice_not_from_when_it_was_noticed() -> None:
    talk = Talk().at(0, VoiceStarted()).at(900, spoken("what time is it", settled=True)).at(1_200, VoiceStopped(200))
    assert talk.wait_until(9_000).times_of(EndTurn) == [1_500]


def test_a_partial_with_a_full_stop_ends_a_turn_half_a_second_after_its_last_change() -> None:
    talk = said("What time", settled=False).at(1_200, spoken("What time is it?"))
    assert talk.wait_until(9_000).of(EndTurn) == [EndTurn("What time is it?", "punctuation")]
    assert talk.times_of(EndTurn) == [1_700]


def test_partial_words_alone_end_a_turn_after_the_long_silence() -> None:
    talk = said("what time is it", settled=False).wait_until(20_000)
    assert talk.of(EndTurn) == [EndTurn("what time is it", "silence")]
    assert talk.times_of(EndTurn) == [4_000]


@pytest.mark.parametrize("text", ["I would like to", "我想去北京，因为", "I would like to."])
@pytest.mark.parametrize("is_final", [False, True])
def test_words_that_sound_unfinished_wait_longer(text: str, is_final: bool) -> None:
    talk = Talk().at(0, VoiceStarted()).at(900, spoken(text, is_final=is_final, settled=True)).at(1_000, VoiceStopped())
    assert talk.wait_until(3_900).of(EndTurn) == []
    assert talk.wait_until(4_001).of(EndTurn) == [EndTurn(text, "unfinished")]


def hesitant(pause_ms: int, times: int) -> float:
    """How long the agent waits after the settled words of a speaker who has made such pauses."""
    talk, at_ms = Talk(), 0
    for _ in range(times):
        talk.at(at_ms, VoiceStarted()).at(at_ms + 500, spoken("and my number is", settled=True))
        talk.at(at_ms + 600, VoiceStopped())
        at_ms += 600 + pause_ms
    talk.at(at_ms, VoiceStarted()).at(at_ms + 500, spoken("and my number is five", settled=True))
    talk.at(at_ms + 600, VoiceStopped()).wait_until(at_ms + 9_000)
    return talk.times_of(EndTurn)[-1] - (at_ms + 600)


def test_a_speaker_who_pauses_is_given_more_time() -> None:
    assert hesitant(800, 1) == 500
    assert hesitant(800, 2) == pytest.approx(800 * (0.4 + 0.6 * 0.4) * 1.25)


def test_the_time_given_to_a_slow_speaker_is_bounded() -> None:
    assert hesitant(2_500, 20) == 1_200


def test_voice_right_after_a_turn_that_ended_too_soon_teaches_patience_at_once() -> None:
    talk = said("I was wondering").at(1_800, VoiceStarted()).at(2_500, spoken("whether you could", "2", settled=True))
    talk.at(2_600, VoiceStopped()).wait_until(9_000)
    assert talk.times_of(EndTurn) == [1_500, 2_600 + 800 * 0.8 * 1.25]


def test_a_named_silence_is_not_learned_away() -> None:
    settings = TurnSettings(slow_end_silence_ms=0, speculation=False)
    talk = said("I was wondering", settings=settings).at(1_800, VoiceStarted())
    talk.at(2_500, spoken("whether you could", "2", settled=True)).at(2_600, VoiceStopped()).wait_until(9_000)
    assert talk.times_of(EndTurn) == [1_500, 3_100]


def test_noise_that_keeps_the_voice_on_cannot_hold_a_final_for_ever() -> None:
    talk = Talk().at(0, VoiceStarted()).at(1_000, spoken("hello there", is_final=True)).wait_until(10_000)
    assert talk.of(EndTurn) == [EndTurn("hello there", "final_in_voice")]


def test_a_voice_that_comes_back_after_unfinished_final_words_is_let_speak() -> None:
    talk = Talk().at(0, VoiceStarted()).at(900, spoken("I called because", is_final=True)).at(1_000, VoiceStopped())
    talk.at(2_900, VoiceStarted()).at(3_500, spoken("my heating is broken", "b", is_final=True)).at(
        3_600, VoiceStopped()
    )
    talk.wait_until(9_000)
    assert talk.of(EndTurn) == [EndTurn("I called because my heating is broken", "final")]


def test_voice_without_words_is_a_phantom_and_closes_silently() -> None:
    talk = Talk().at(0, VoiceStarted()).at(300, VoiceStopped()).wait_until(10_000)
    assert talk.decisions == [StartTurn("voice"), UserPaused(0), DropTurn("no_words")]


def test_noise_alone_ends_too_while_the_voice_stays_on() -> None:
    talk = Talk().at(0, VoiceStarted()).wait_until(60_000)
    assert talk.timed == [(0, StartTurn("voice")), (30_000, DropTurn("no_words"))]


def test_words_taken_back_leave_a_phantom() -> None:
    talk = said("uh", settled=False).at(1_500, spoken("", is_final=True)).wait_until(10_000)
    assert talk.of(EndTurn, DropTurn) == [DropTurn("no_words")]


def test_nobody_speaks_longer_than_two_minutes_in_one_turn() -> None:
    talk = Talk().at(0, VoiceStarted())
    for second in range(1, 150):
        talk.at(second * 1_000, spoken(f"word {second} and"))
    assert talk.times_of(EndTurn) == [120_000]
    assert talk.of(EndTurn) == [EndTurn("word 119 and", "too_long")]


def test_words_without_voice_open_and_end_a_turn() -> None:
    talk = Talk().at(0, spoken("hello", is_final=True)).wait_until(5_000)
    assert talk.of(StartTurn, EndTurn) == [StartTurn("words"), EndTurn("hello", "final")]


def test_chinese_segments_are_joined_without_a_space() -> None:
    talk = Talk().at(0, VoiceStarted()).at(500, spoken("你好，", "1", is_final=True)).at(900, spoken("今天", "2"))
    talk.at(1_000, VoiceStopped()).at(1_400, spoken("今天天气怎么样？", "2", is_final=True))
    assert talk.of(EndTurn) == [EndTurn("你好，今天天气怎么样？", "final")]


def test_a_repeated_partial_decides_nothing_new() -> None:
    talk = Talk().at(0, VoiceStarted()).at(100, spoken("hello")).at(200, spoken("hello", is_final=True))
    talk.at(300, spoken("goodbye", is_final=True))
    assert talk.of(ChangeWords) == [ChangeWords("hello", ""), ChangeWords("hello", "hello")]


# --- late, lost and repeated words ----------------------------------------------------------------------------------


def test_a_late_final_amends_the_turn_that_has_ended() -> None:
    talk = said("what time is it").at(2_000, spoken("What time was it in Paris?", is_final=True)).wait_until(20_000)
    assert talk.of(StartTurn, EndTurn, AmendTurn) == [
        StartTurn("voice"),
        EndTurn("what time is it", "silence"),
        AmendTurn("What time was it in Paris?", changes_words=True),
    ]


def test_a_late_final_that_adds_marks_changes_no_word() -> None:
    talk = said("what time is it").at(2_900, spoken("What time is it?", is_final=True))
    assert talk.of(AmendTurn) == [AmendTurn("What time is it?", changes_words=False)]


@pytest.mark.parametrize("late", ["what time is it", ""])
def test_a_late_final_that_says_nothing_new_amends_nothing(late: str) -> None:
    talk = said("what time is it").at(2_900, spoken(late, is_final=True)).wait_until(20_000)
    assert talk.of(AmendTurn) == []
    assert len(talk.of(StartTurn)) == 1


def test_words_spoken_on_in_the_same_segment_are_a_turn_of_their_own() -> None:
    talk = said("what time is it").at(1_700, VoiceStarted()).at(2_300, spoken("what time is it in Paris"))
    talk.at(2_400, VoiceStopped()).at(3_000, spoken("What time is it? In Paris?", is_final=True)).wait_until(9_000)
    assert talk.of(EndTurn, AmendTurn) == [
        EndTurn("what time is it", "silence"),
        AmendTurn("What time is it?", changes_words=False),
        EndTurn("In Paris?", "final"),
    ]


def test_words_long_after_the_turn_are_a_turn_of_their_own_though_no_voice_was_noticed() -> None:
    talk = said("what time is it").at(6_000, spoken("What time is it? Hello there.", is_final=True)).wait_until(9_000)
    assert talk.of(EndTurn) == [EndTurn("what time is it", "silence"), EndTurn("Hello there.", "final")]


def test_a_reopened_stream_repeats_no_words() -> None:
    talk = Talk().at(0, VoiceStarted()).at(500, spoken("what is", "1:a")).at(600, SegmentsLost())
    talk.at(900, spoken("what is this", "2:a")).at(1_000, VoiceStopped())
    talk.at(1_400, spoken("What is this?", "2:a", is_final=True))
    assert talk.of(EndTurn) == [EndTurn("What is this?", "final")]


def test_a_reopened_stream_repeats_no_ended_turn() -> None:
    talk = said("what time is it").at(1_700, SegmentsLost()).at(2_200, spoken("what time", "2:a"))
    talk.at(2_600, spoken("What time is it?", "2:a", is_final=True)).wait_until(20_000)
    assert talk.of(StartTurn, EndTurn, AmendTurn) == [
        StartTurn("voice"),
        EndTurn("what time is it", "silence"),
        AmendTurn("What time is it?", changes_words=False),
    ]


def test_after_a_reopened_stream_other_words_are_new_ones() -> None:
    talk = said("what time is it").at(1_700, SegmentsLost()).at(3_200, spoken("Hello.", "2:a", is_final=True))
    assert talk.wait_until(20_000).of(EndTurn)[1:] == [EndTurn("Hello.", "final")]


# --- push to talk, and the client's hand -----------------------------------------------------------------------------


def test_in_manual_mode_only_the_client_ends_a_turn() -> None:
    talk = Talk(MANUAL).at(0, VoiceStarted()).at(500, spoken("hello", is_final=True))
    assert talk.at(700, VoiceStopped()).wait_until(60_000).of(StartTurn, EndTurn) == []
    assert talk.at(60_001, ClientCommitted()).of(EndTurn) == [EndTurn("hello", "commit")]


def test_a_commit_waits_for_the_last_words() -> None:
    talk = Talk(MANUAL).at(500, spoken("hel")).at(600, ClientCommitted())
    assert talk.of(EndTurn) == []
    assert talk.at(1_500, spoken("hello", is_final=True)).of(EndTurn) == [EndTurn("hello", "commit")]


def test_a_final_after_the_commits_wait_still_amends() -> None:
    talk = Talk(MANUAL).at(500, spoken("hel")).at(600, ClientCommitted()).at(2_700, VoiceStopped())
    talk.at(3_000, spoken("hello", is_final=True))
    assert talk.of(EndTurn, AmendTurn) == [EndTurn("hel", "commit"), AmendTurn("hello", changes_words=True)]


def test_a_commit_without_words_ends_within_two_seconds() -> None:
    talk = Talk(MANUAL).at(0, ClientCommitted()).wait_until(2_100)
    assert talk.of(DropTurn) == [DropTurn("empty_commit")]


def test_clearing_drops_the_turn() -> None:
    talk = Talk().at(0, VoiceStarted()).at(500, spoken("hello")).at(600, ClientCleared()).wait_until(9_000)
    assert talk.of(EndTurn, DropTurn) == [DropTurn("cleared")]


def test_closing_drops_the_turn() -> None:
    talk = Talk().at(0, VoiceStarted()).at(500, spoken("hello")).at(600, SessionClosed()).wait_until(9_000)
    assert talk.of(EndTurn, DropTurn) == [DropTurn("closed")]


def test_a_turn_that_is_open_ends_by_itself_after_a_change_to_push_to_talk() -> None:
    talk = said("what time is it").at(1_100, SettingsChanged(MANUAL)).wait_until(9_000)
    assert talk.of(EndTurn) == [EndTurn("what time is it", "silence")]


# --- nobody speaks ---------------------------------------------------------------------------------------------------

IDLE = TurnSettings(idle_timeout_ms=6_000, speculation=False, holds_reply=False)


def test_quiet_after_the_agents_last_sound_times_out_once() -> None:
    talk = Talk(IDLE).at(0, SPEAKING).at(2_000, FREE).wait_until(60_000)
    assert talk.timed == [(8_000, TimeOut(6_000))]


def test_a_turn_in_time_is_no_time_out_and_its_reply_starts_the_wait_anew() -> None:
    talk = Talk(IDLE).at(0, SPEAKING).at(2_000, FREE).at(7_000, VoiceStarted())
    talk.at(7_900, spoken("Hello.", is_final=True)).at(8_000, VoiceStopped()).wait_until(8_500)
    talk.at(8_500, THINKING).at(9_000, SPEAKING).at(10_000, FREE).wait_until(60_000)
    assert talk.times_of(TimeOut) == [16_000]


def test_a_cough_starts_the_wait_anew() -> None:
    talk = Talk(IDLE).at(0, SPEAKING).at(2_000, FREE).at(7_000, VoiceStarted()).at(7_200, VoiceStopped())
    assert talk.wait_until(60_000).times_of(DropTurn, TimeOut) == [10_200, 16_200]


def test_push_to_talk_has_no_time_out() -> None:
    settings = TurnSettings(mode="manual", idle_timeout_ms=6_000)
    assert Talk(settings).at(0, SPEAKING).at(2_000, FREE).wait_until(60_000).of(TimeOut, Interrupt) == []
