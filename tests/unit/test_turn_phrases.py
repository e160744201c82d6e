"""What words alone tell about whether more will come: numbers read out, conditions, asking for time, half backchannels."""

import pytest

from sessions.live.turn_taking.decisions import EndTurn, Interrupt
from sessions.live.turn_taking.events import VoiceStarted, VoiceStopped
from sessions.live.turn_taking.phrases import may_become_backchannel, may_go_on, sounds_unfinished
from tests.unit.turn_talk import PLAIN, SPEAKING, Talk, spoken

LONG_TEXTS = (
    "if " + "a " * 20_000 + ",",
    "five " * 20_000 + "x",
    "五" * 20_000 + "x",
    "a" * 20_000 + "! b",
    "." * 20_000,
)


@pytest.mark.parametrize(
    "text", "Let me see|Let me think.|hold on|One moment.|让我想想|我看一下。|等一下|稍等".split("|")
)
def test_who_asks_for_time_has_not_finished(text: str) -> None:
    assert sounds_unfinished(text)


@pytest.mark.parametrize(
    "text",
    "My number is five five five|The code is 4 7 1.|5551234|我的号码是五五五。|If the train is late.|要是火车晚点|"
    "Yes. When it rains.|A table for.|三天以后".split("|"),
)
def test_what_often_goes_on_may_go_on(text: str) -> None:
    assert may_go_on(text)


@pytest.mark.parametrize(
    "text",
    "|At nine.|two|If it rains, we stay.|If it rains then we stay|What if it rains?|要是下雨就不去了|现在几点|I see.".split(
        "|"
    ),
)
def test_whole_sentences_do_not(text: str) -> None:
    assert not may_go_on(text)


@pytest.mark.parametrize("text", ["yeah, I", "I", "of", "嗯，明", "mm hm"])
def test_half_a_backchannel_may_become_one(text: str) -> None:
    assert may_become_backchannel(text)


@pytest.mark.parametrize("text", ["", "no", "yeah, but", "I want", "等", "what"])
def test_other_words_may_not(text: str) -> None:
    assert not may_become_backchannel(text)


@pytest.mark.parametrize("text", LONG_TEXTS, ids=range(len(LONG_TEXTS)))
@pytest.mark.timeout(10)
def test_texts_without_end_are_judged_without_delay(text: str) -> None:
    for judge in (may_go_on, sounds_unfinished, may_become_backchannel):
        judge(text)


def test_a_number_that_is_read_out_has_half_of_the_long_silence() -> None:
    talk = Talk(PLAIN).at(0, VoiceStarted()).at(900, spoken("it is five five five"))
    talk.at(1_000, VoiceStopped()).at(1_800, spoken("It is five five five.", is_final=True)).wait_until(6_000)
    assert talk.times_of(EndTurn) == [1_000 + PLAIN.long_end_silence_ms / 2]


def test_half_a_backchannel_does_not_interrupt_and_other_words_do() -> None:
    talk = Talk(PLAIN).at(0, SPEAKING).at(1_000, VoiceStarted()).at(1_200, spoken("yeah, I"))
    assert talk.of(Interrupt) == []
    assert talk.at(1_350, spoken("yeah, I want")).of(Interrupt) == [Interrupt("words")]
