"""The benchmark of turn taking judges by its clips' truth: what counts as a cut-in, a delay, a false stop."""

from pathlib import Path

import pytest

from sessions.live.turn_taking.events import VoiceStarted, VoiceStopped, WordsHeard
from tests.benchmarks.turn_quality import ours
from tests.benchmarks.turn_quality.clips import RATE_HZ, Clip, Kind, Phrase, Span, transcripts
from tests.benchmarks.turn_quality.measure import NOTES, measure
from tests.benchmarks.turn_quality.peers import LIVEKIT, PIPECAT, Heard, with_words
from tests.benchmarks.turn_quality.recipes import Recipe, make_clip
from tests.benchmarks.turn_quality.scoring import Outcome, score

FIRST = Phrase("let me see", Span(1_000, 2_000), ((1_400, "let"), (2_000, "let me see")))
SECOND = Phrase("the red one.", Span(3_000, 4_000), ((3_500, "the red"), (4_000, "the red one")))
SILENT = Phrase("", Span(1_000, 1_400))


def a_clip(kind: Kind, *phrases: Phrase) -> Clip:
    return Clip("en-x", "en", kind, bytes(RATE_HZ * 2 * 8), phrases)


THOUGHT = a_clip("answer", FIRST, SECOND)
COUGH = a_clip("noise", SILENT)
STOP = a_clip("interruption", FIRST)
MM_HM = a_clip("backchannel", FIRST)


def test_an_end_within_a_pause_is_a_cut_in_and_the_answer_is_measured_from_the_true_end() -> None:
    total = score([(THOUGHT, Outcome((2_500, 4_600), (2_300, 4_200)))])
    assert (total.cut_ins, total.pauses, total.delays_ms, total.begun_ms) == (1, 1, [600], [200])


def test_a_cut_in_is_heard_when_its_reply_sounds_before_the_voice_goes_on() -> None:
    outcomes = (Outcome((2_500, 4_600)), Outcome((2_900, 4_600)), Outcome((2_900, 4_600), (2_300, 4_200)))
    assert [score([(THOUGHT, outcome)]).cut_ins_heard for outcome in outcomes] == [1, 0, 1]


def test_an_end_while_the_voice_goes_on_is_a_cut_in() -> None:
    assert score([(THOUGHT, Outcome((3_200, 4_600)))]).cut_ins == 1


def test_a_turn_that_never_ends_has_no_delay_and_is_still_counted() -> None:
    total = score([(THOUGHT, Outcome())])
    assert (total.answers, total.delays_ms, total.cut_ins) == (1, [], 0)


def test_an_interruption_is_missed_without_a_stop_and_silent_from_the_hold_on() -> None:
    total = score([(STOP, Outcome()), (STOP, Outcome(stop_ms=1_600, holds=((1_200, None),)))])
    assert (total.interruptions, total.missed, total.silences_ms) == (2, 1, [200])


def test_a_false_alarm_stops_the_agent_or_holds_it_for_a_while_or_does_nothing() -> None:
    outcomes = (Outcome(stop_ms=1_600), Outcome(holds=((1_200, 3_000),)), Outcome())
    total = score([(COUGH, outcome) for outcome in outcomes])
    assert (total.alarms["noise"], total.stops["noise"], total.held["noise"]) == (3, 1, 1)
    assert total.recoveries_ms == [1_800]


def test_words_come_late_and_a_final_only_after_enough_silence() -> None:
    close = a_clip("answer", FIRST, Phrase("the red one.", Span(2_500, 4_000), SECOND.words))
    finals = [[(at, words.text) for at, words in transcripts(clip) if words.is_final] for clip in (THOUGHT, close)]
    assert finals[0] == [(2_800, "let me see."), (4_800, "the red one.")]
    assert finals[1] == [(4_800, "let me see the red one.")]
    assert next(transcripts(THOUGHT)) == (1_550, WordsHeard("1", "let", is_final=False))


def test_our_engine_is_run_with_its_deadlines_and_an_agent_that_answers() -> None:
    voice: list[ours.Timed] = [(1_060, VoiceStarted(60)), (2_200, VoiceStopped(200))]
    voice += [(3_060, VoiceStarted(60)), (4_200, VoiceStopped(200))]
    outcome = ours.run_engine(THOUGHT, voice)
    assert outcome.ends_ms[-1] == pytest.approx(4_500)
    assert outcome.begun_ms[-1] == pytest.approx(4_300)


def test_our_engine_goes_on_after_a_cough() -> None:
    outcome = ours.run_engine(COUGH, [(1_060, VoiceStarted(60)), (1_600, VoiceStopped(200))])
    assert outcome.stop_ms is None
    assert outcome.holds == ((1_200, 3_400),)


def test_a_peer_waits_for_final_words_and_forgets_an_end_that_new_voice_overtakes() -> None:
    heard = Heard(ends_ms=(2_250, 4_300), starts_ms=(), quiets_ms=(), thought_ms=())
    near = a_clip("answer", FIRST, Phrase("the red one.", Span(2_500, 4_000), SECOND.words))
    assert with_words(THOUGHT, heard, PIPECAT).ends_ms == (2_800, 4_800)
    assert with_words(near, heard, PIPECAT).ends_ms == (4_800,)


def test_a_peer_that_holds_goes_on_after_a_cough_and_stops_for_any_words() -> None:
    heard = Heard(ends_ms=(), starts_ms=(1_300,), quiets_ms=(1_500,), thought_ms=())
    assert with_words(COUGH, heard, LIVEKIT).holds == ((1_300, 3_500),)
    assert with_words(COUGH, heard, PIPECAT).stop_ms == 1_300
    assert with_words(MM_HM, heard, LIVEKIT).stop_ms == 1_300


def test_a_clip_is_as_long_as_its_parts_and_its_words_lie_within_them() -> None:
    clip = make_clip("zh-t-0", "zh", "Zhiyu", Recipe("answer", ("我打算去巴黎", 700, "但是酒店太贵了。")))
    first, second = clip.phrases
    assert second.span.start_ms - first.span.end_ms == pytest.approx(700)
    assert [phrase.words[-1][1] for phrase in clip.phrases] == ["我打算去巴黎", "但是酒店太贵了"]
    assert all(first.span.start_ms <= at_ms <= first.span.end_ms for at_ms, _ in first.words)


def test_a_peer_that_cannot_be_run_says_so_in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.benchmarks.turn_quality.measure.make_clips", lambda: (THOUGHT, COUGH, STOP, MM_HM))
    monkeypatch.setattr("tests.benchmarks.turn_quality.peers.PEERS_PYTHON", Path("/nowhere/python"))
    text = measure().text()
    assert "NOT RUN: no .venv-peers" in text
    assert NOTES[0] in text
