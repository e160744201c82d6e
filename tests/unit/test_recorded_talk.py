"""A talk of a minute as it was heard, with coughs, "mm-hm", pauses for thought and true interruptions, decision by decision.

Transcripts lag the voice by some 400 ms and finals by 900 ms, as Transcribe's do.
"""

from typing import Self

from sessions.live.config import TurnSettings
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
from sessions.live.turn_taking.events import VoiceStarted, VoiceStopped
from tests.unit.turn_talk import FREE, SPEAKING, THINKING, Talk, check_promises, spoken

QUIET_KINDS = (ChangeWords, UserPaused)
"""Told on the way; what the talk is about is the rest."""


class Recording(Talk):
    """What was heard, in the order of its time."""

    def voice(self, start_ms: int, end_ms: int) -> Self:
        """Noticed 60 ms after it began and 200 ms after it ended."""
        self.at(start_ms + 60, VoiceStarted(60)).at(end_ms + 200, VoiceStopped(200))
        return self

    def begins(self, start_ms: int) -> Self:
        self.at(start_ms + 60, VoiceStarted(60))
        return self

    def ends(self, end_ms: int) -> Self:
        self.at(end_ms + 200, VoiceStopped(200))
        return self

    def since(self, at_ms: float) -> list[tuple[float, Decision]]:
        return [(round(when), what) for when, what in self.timed if when >= at_ms and not isinstance(what, QUIET_KINDS)]


def a_cough(talk: Recording) -> None:
    """1.0 s: a cough into the greeting. Held, and on again."""
    talk.voice(1_000, 1_300).wait_until(4_500)
    assert talk.since(0) == [
        (1_060, StartTurn("voice", 60)),
        (1_200, HoldReply("voice")),
        (3_300, ResumeReply("no_words")),
        (4_300, DropTurn("no_words")),
    ]


def a_backchannel(talk: Recording) -> None:
    """5.0 s: "mm-hm" while the agent explains."""
    talk.voice(5_000, 5_350).at(5_750, spoken("mm-hm", "b", settled=True)).at(
        6_250, spoken("Mm-hm.", "b", is_final=True)
    )
    talk.wait_until(8_000)
    assert talk.since(5_000) == [
        (5_060, StartTurn("voice", 60)),
        (5_200, HoldReply("voice")),
        (5_750, ResumeReply("backchannel")),
        (5_850, DropTurn("backchannel")),
    ]


def a_pause_for_thought(talk: Recording) -> None:
    """9.0 s: the agent has ended; a question with a pause for thought in it."""
    talk.at(9_000, FREE).begins(10_000).at(10_900, spoken("I would like to", "c", settled=True)).ends(11_000)
    talk.begins(12_600).at(13_400, spoken("I would like to know the weather", "c", settled=True)).ends(13_500)
    talk.at(14_400, spoken("I would like to know the weather.", "c", is_final=True)).wait_until(16_000)
    assert talk.since(10_000) == [
        (10_060, StartTurn("voice", 60)),
        (13_700, Speculate("I would like to know the weather", "settled")),
        (14_100, KeepSpeculation()),
        (14_100, EndTurn("I would like to know the weather", "silence", speculation_stands=True)),
        (14_400, AmendTurn("I would like to know the weather.", changes_words=False)),
    ]


def an_interruption_by_words(talk: Recording) -> None:
    """16.0 s: the answer; cut off by words before half a second of voice has passed."""
    talk.at(16_000, THINKING).at(16_300, SPEAKING).begins(18_000).at(18_400, spoken("no", "d"))
    talk.at(18_405, FREE).at(18_900, spoken("no in Paris", "d", settled=True)).ends(18_800)
    talk.at(19_700, spoken("No, in Paris.", "d", is_final=True)).wait_until(22_000)
    assert talk.since(18_000) == [
        (18_060, StartTurn("voice", 60)),
        (18_200, HoldReply("voice")),
        (18_400, Interrupt("words")),
        (19_000, Speculate("no in Paris", "settled")),
        (19_310, KeepSpeculation()),
        (19_310, EndTurn("no in Paris", "silence", speculation_stands=True)),
        (19_700, AmendTurn("No, in Paris.", changes_words=False)),
    ]


def an_interruption_by_voice(talk: Recording) -> None:
    """22.0 s: the next answer; cut off by voice alone, whose words come late and in Chinese."""
    talk.at(22_000, THINKING).at(22_300, SPEAKING).begins(24_000).wait_until(24_700).at(24_705, FREE)
    talk.at(24_900, spoken("等一下，因为", "e", settled=True)).ends(25_000)
    talk.begins(26_000).at(26_900, spoken("等一下，因为我要去上海", "e", settled=True)).ends(27_000)
    talk.at(27_900, spoken("等一下，因为我要去上海了。", "e", is_final=True)).wait_until(30_000)
    assert talk.since(24_000) == [
        (24_060, StartTurn("voice", 60)),
        (24_200, HoldReply("voice")),
        (24_700, Interrupt("voice")),
        (27_200, Speculate("等一下，因为我要去上海", "settled")),
        (27_760, KeepSpeculation()),
        (27_760, EndTurn("等一下，因为我要去上海", "silence", speculation_stands=True)),
        (27_900, AmendTurn("等一下，因为我要去上海了。", changes_words=True)),
    ]


def an_answer_over_the_last_word(talk: Recording) -> None:
    """31.0 s: the agent asks, and "yes" over its last word is an answer, though it is a backchannel elsewhere."""
    talk.at(31_000, SPEAKING).begins(33_000).at(33_100, FREE).ends(33_300)
    talk.at(34_000, spoken("Yes.", "f", is_final=True)).wait_until(35_500)
    assert talk.since(33_000) == [
        (33_060, StartTurn("voice", 60)),
        (34_000, EndTurn("Yes.", "final")),
    ]


def silence(talk: Recording) -> None:
    """36.0 s: the last answer; then nobody speaks."""
    talk.at(36_000, SPEAKING).at(38_000, FREE).wait_until(60_000)
    assert talk.since(36_000) == [(53_000, TimeOut(15_000))]


def changing_words(talk: Recording) -> None:
    """60.0 s: words that change after a reply was begun to them."""
    talk.begins(60_000).at(60_900, spoken("call my brother", "g", settled=True)).ends(61_000)
    talk.at(61_300, spoken("call my mother", "g", settled=True))
    talk.at(61_900, spoken("Call my mother!", "g", is_final=True)).wait_until(63_000)
    assert talk.since(60_000) == [
        (60_060, StartTurn("voice", 60)),
        (61_200, Speculate("call my brother", "settled")),
        (61_300, DropSpeculation("words")),
        (61_300, Speculate("call my mother", "settled")),
        (61_549, KeepSpeculation()),
        (61_549, EndTurn("call my mother", "silence", speculation_stands=True)),
        (61_900, AmendTurn("Call my mother!", changes_words=False)),
    ]


SCENES = (
    a_cough,
    a_backchannel,
    a_pause_for_thought,
    an_interruption_by_words,
    an_interruption_by_voice,
    an_answer_over_the_last_word,
    silence,
    changing_words,
)


def test_a_recorded_talk_gives_exactly_these_decisions() -> None:
    talk = Recording(TurnSettings(idle_timeout_ms=15_000)).at(0, THINKING).at(200, SPEAKING)
    for scene in SCENES:
        scene(talk)
    check_promises(talk.timed)
