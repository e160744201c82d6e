"""When a user's voice or words hold, cut off or spare the agent's reply; on virtual time."""

from dataclasses import replace

import pytest

from sessions.live.config import TurnSettings
from sessions.live.turn_taking.decisions import DropTurn, EndTurn, HoldReply, Interrupt, ResumeReply
from sessions.live.turn_taking.events import AgentChanged, ClientCommitted, SettingsChanged, VoiceStarted, VoiceStopped
from tests.unit.turn_talk import FREE, PLAIN, SPEAKING, THINKING, Talk, spoken

HOLDING = TurnSettings(speculation=False)


def over_speech(settings: TurnSettings = PLAIN, agent: AgentChanged = SPEAKING) -> Talk:
    """The agent speaks from 0 on; the user's voice begins at 1,000 ms."""
    return Talk(settings).at(0, agent).at(1_000, VoiceStarted())


def test_half_a_second_of_voice_interrupts() -> None:
    talk = over_speech()
    assert talk.wait_until(1_499).of(Interrupt) == []
    assert talk.wait_until(1_501).of(Interrupt) == [Interrupt("voice")]


def test_voice_counts_from_its_beginning_not_from_when_it_was_noticed() -> None:
    talk = Talk(PLAIN).at(0, SPEAKING).at(1_060, VoiceStarted(60)).wait_until(3_000)
    assert talk.times_of(Interrupt) == [1_500]


def test_a_cough_does_not_interrupt() -> None:
    assert over_speech().at(1_200, VoiceStopped()).wait_until(9_000).of(Interrupt) == []


def test_two_letters_of_words_interrupt() -> None:
    assert over_speech().at(1_200, spoken("no")).of(Interrupt) == [Interrupt("words")]


def test_letters_and_chinese_characters_have_thresholds_of_their_own() -> None:
    settings = replace(PLAIN, interrupt_characters=6, interrupt_ideographs=1)
    assert over_speech(settings).at(1_200, spoken("stop")).of(Interrupt) == []
    assert over_speech(settings).at(1_200, spoken("停")).of(Interrupt) == [Interrupt("words")]
    settings = replace(PLAIN, interrupt_characters=1, interrupt_ideographs=3)
    assert over_speech(settings).at(1_200, spoken("等等")).of(Interrupt) == []
    assert over_speech(settings).at(1_200, spoken("等一等")).of(Interrupt) == [Interrupt("words")]


def test_a_whole_utterance_interrupts_however_short_it_is() -> None:
    talk = over_speech().at(1_300, VoiceStopped()).at(1_500, spoken("停。", is_final=True)).wait_until(5_000)
    assert talk.of(Interrupt, EndTurn) == [Interrupt("turn"), EndTurn("停。", "final")]


def test_one_interruption_a_reply() -> None:
    talk = over_speech().at(1_200, spoken("no")).at(1_300, spoken("no no")).wait_until(1_900)
    assert len(talk.of(Interrupt)) == 1


def test_words_from_before_the_reply_do_not_interrupt_it() -> None:
    talk = Talk(PLAIN).at(0, VoiceStarted()).at(500, spoken("well then")).at(600, THINKING)
    assert talk.of(Interrupt) == []
    assert talk.at(700, spoken("well then listen")).of(Interrupt) == [Interrupt("words")]


@pytest.mark.parametrize("settings", [PLAIN, HOLDING])
def test_a_reply_that_may_not_be_interrupted_is_not(settings: TurnSettings) -> None:
    for wish, agent in [
        (replace(settings, interrupts_reply=False), SPEAKING),
        (settings, replace(SPEAKING, can_be_interrupted=False)),
    ]:
        talk = over_speech(wish, agent).at(1_900, spoken("stop that")).wait_until(2_500)
        assert talk.of(Interrupt, HoldReply) == []


@pytest.mark.parametrize(("keeps", "expected"), [(True, EndTurn("stop that", "final")), (False, DropTurn("protected"))])
def test_words_heard_over_a_protected_reply_are_kept_or_dropped_by_setting(keeps: bool, expected: object) -> None:
    settings = replace(PLAIN, keeps_protected_words=keeps)
    talk = over_speech(settings, replace(SPEAKING, can_be_interrupted=False)).at(1_900, VoiceStopped())
    assert talk.at(2_500, spoken("stop that", is_final=True)).of(EndTurn, DropTurn, Interrupt) == [expected]


# --- backchannels ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["Mm-hm.", "yeah, right", "OK", "I see", "uh-huh", "嗯。", "对对对", "好的", "是的，哦"]
)
def test_a_backchannel_does_not_interrupt_and_its_turn_is_dropped(text: str) -> None:
    talk = over_speech().at(1_300, VoiceStopped()).at(1_500, spoken(text)).at(1_900, spoken(text, is_final=True))
    assert talk.wait_until(9_000).of(Interrupt, EndTurn, DropTurn) == [DropTurn("backchannel")]


@pytest.mark.parametrize("text", ["yeah but wait", "no", "okay stop", "不对", "好了别说了", "right now please"])
def test_what_only_begins_like_a_backchannel_interrupts(text: str) -> None:
    assert over_speech().at(1_400, spoken(text)).of(Interrupt) == [Interrupt("words")]


def test_voice_that_goes_on_after_a_backchannel_interrupts() -> None:
    talk = over_speech().at(1_300, spoken("yeah")).wait_until(9_000)
    assert talk.timed[2] == (1_800, Interrupt("voice"))


def test_backchannels_can_be_switched_off_and_added_to() -> None:
    off = replace(PLAIN, ignores_backchannels=False)
    assert over_speech(off).at(1_200, spoken("yeah")).of(Interrupt) == [Interrupt("words")]
    more = replace(PLAIN, backchannel_words=("go on",))
    assert over_speech(more).at(1_200, spoken("Go on, yeah")).of(Interrupt) == []


def test_yes_to_a_question_is_an_answer_even_while_it_is_asked() -> None:
    asking = replace(SPEAKING, is_asking=True)
    assert over_speech(agent=asking).at(1_200, spoken("yes")).of(Interrupt) == [Interrupt("words")]


@pytest.mark.parametrize(
    ("agent_ends_ms", "expected"), [(1_400, EndTurn("Yes.", "final")), (1_600, DropTurn("backchannel"))]
)
def test_yes_begun_within_half_a_second_of_the_agents_end_is_an_answer(agent_ends_ms: int, expected: object) -> None:
    talk = over_speech().at(1_300, VoiceStopped()).at(agent_ends_ms, FREE).at(2_000, spoken("Yes.", is_final=True))
    assert talk.wait_until(9_000).of(EndTurn, DropTurn) == [expected]


def test_yes_to_a_question_that_has_just_ended_is_an_answer() -> None:
    talk = over_speech().at(1_300, VoiceStopped()).at(1_500, replace(SPEAKING, is_asking=True)).at(1_700, FREE)
    assert talk.at(2_000, spoken("Yes.", is_final=True)).of(EndTurn, DropTurn) == [EndTurn("Yes.", "final")]


def test_a_backchannel_is_a_turn_while_the_agent_is_silent() -> None:
    talk = Talk(PLAIN).at(0, VoiceStarted()).at(500, spoken("okay", is_final=True)).at(600, VoiceStopped())
    assert talk.wait_until(3_000).of(EndTurn) == [EndTurn("okay", "final")]


def test_a_committed_backchannel_is_an_answer() -> None:
    talk = over_speech().at(1_300, spoken("okay", is_final=True)).at(1_400, ClientCommitted())
    assert talk.of(EndTurn, DropTurn) == [EndTurn("okay", "commit")]


# --- hold and resume ---------------------------------------------------------------------------------------------------


def test_after_a_cough_the_reply_goes_on() -> None:
    talk = over_speech(HOLDING).at(1_300, VoiceStopped()).wait_until(9_000)
    assert talk.timed[1:] == [
        (1_200, HoldReply("voice")),
        talk.timed[2],
        (3_300, ResumeReply("no_words")),
        (4_300, DropTurn("no_words")),
    ]


@pytest.mark.parametrize("ends_ms", [1_050, 1_190])
def test_a_click_holds_the_reply_only_until_its_end_is_known(ends_ms: int) -> None:
    talk = over_speech(HOLDING).at(ends_ms + 200, VoiceStopped(200)).wait_until(9_000)
    assert talk.times_of(HoldReply, ResumeReply) == [1_200, ends_ms + 200]
    assert talk.of(ResumeReply) == [ResumeReply("short")]


@pytest.mark.parametrize(("ends_ms", "expected"), [(1_400, []), (1_510, [Interrupt("voice")])])
def test_a_held_reply_is_cut_off_only_by_voice_that_is_known_to_have_lasted(
    ends_ms: int, expected: list[Interrupt]
) -> None:
    talk = over_speech(HOLDING).at(ends_ms + 200, VoiceStopped(200)).wait_until(9_000)
    assert talk.of(Interrupt) == expected


def test_a_hold_becomes_an_interruption_by_voice_or_by_words() -> None:
    assert over_speech(HOLDING).wait_until(3_000).of(HoldReply, Interrupt, ResumeReply) == [
        HoldReply("voice"),
        Interrupt("voice"),
    ]
    talk = over_speech(HOLDING).at(1_250, VoiceStopped()).at(1_900, spoken("wait a moment")).wait_until(9_000)
    assert talk.of(HoldReply, Interrupt, ResumeReply) == [HoldReply("voice"), Interrupt("words")]


def test_a_backchannel_lets_the_reply_go_on_as_soon_as_it_is_known_as_one() -> None:
    talk = over_speech(HOLDING).at(1_300, VoiceStopped()).at(1_700, spoken("mm-hm")).wait_until(9_000)
    assert talk.timed[-2:] == [(1_700, ResumeReply("backchannel")), (4_700, DropTurn("backchannel"))]


def test_new_voice_during_a_hold_starts_the_wait_anew() -> None:
    talk = over_speech(HOLDING).at(1_300, VoiceStopped()).at(2_500, VoiceStarted()).at(2_700, VoiceStopped())
    assert talk.wait_until(9_000).times_of(HoldReply, ResumeReply) == [1_200, 4_700]


def test_a_reply_that_ends_while_it_is_held_ends_the_hold() -> None:
    talk = over_speech(HOLDING).at(1_250, FREE).wait_until(1_300)
    assert talk.of(ResumeReply) == [ResumeReply("reply_gone")]


def test_a_hold_ends_when_the_client_forbids_interruptions() -> None:
    talk = over_speech(HOLDING).at(1_250, SettingsChanged(replace(HOLDING, interrupts_reply=False)))
    assert talk.of(ResumeReply) == [ResumeReply("protected")]


def test_a_reply_that_has_not_sounded_yet_waits_for_a_user_who_goes_on() -> None:
    talk = Talk(HOLDING).at(0, VoiceStarted()).at(800, spoken("What time is it.", is_final=True))
    talk.at(900, VoiceStopped()).at(1_300, THINKING).at(1_500, VoiceStarted()).wait_until(1_750)
    assert talk.of(EndTurn, HoldReply) == [EndTurn("What time is it.", "final"), HoldReply("voice")]
    talk.at(1_800, VoiceStopped()).at(2_000, spoken("In Paris?", "2", is_final=True))
    assert talk.wait_until(9_000).of(Interrupt, EndTurn)[1:] == [Interrupt("words"), EndTurn("In Paris?", "final")]


# --- echo ------------------------------------------------------------------------------------------------------------


def test_during_the_echos_warm_up_voice_alone_neither_holds_nor_interrupts() -> None:
    settings = replace(HOLDING, echo_warm_up_ms=400)
    talk = Talk(settings).at(0, THINKING).at(1_000, SPEAKING).at(1_050, VoiceStarted()).wait_until(4_000)
    assert talk.times_of(HoldReply, Interrupt) == [1_600, 2_100]


def test_during_the_echos_warm_up_words_interrupt() -> None:
    settings = replace(HOLDING, echo_warm_up_ms=400)
    talk = Talk(settings).at(1_000, SPEAKING).at(1_050, VoiceStarted()).at(1_300, spoken("stop"))
    assert talk.of(Interrupt) == [Interrupt("words")]
