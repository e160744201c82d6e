"""What the agent says by itself: a filler while an answer is late, an apology when it cannot be made."""

import pytest

from sessions.graphs.languages import DEFAULT_VOICES
from sessions.live import facts
from sessions.live.phrases import phrases_for
from sessions.live.spoken_text import FIRST_PHRASE, SpokenText
from tests.unit.reply_scene import SESSION, Scene
from workers.fixed_lines import TOO_LONG, fixed_line
from workers.streams.messages import TaskBeat, WorkFailed

FILLER = f"resp.0.{FIRST_PHRASE}.0"


def late() -> Scene:
    scene = Scene()
    for until_ms in (500, 1_000, 1_500, 2_000, 2_260):
        scene.host.pass_time(until_ms)
        scene.take(TaskBeat(*SESSION, "resp.0"))
        scene.reply.check()
    return scene


def refused(*, is_audio: bool = True) -> Scene:
    scene = Scene(is_audio=is_audio)
    scene.take(WorkFailed(*SESSION, "resp.0", "reply", "provider_refused", False, "no access"))
    return scene


def test_a_late_answer_is_bridged_once_and_follows_the_filler() -> None:
    scene = late()
    scene.reply.check()
    assert [(speech.text, speech.is_fixed) for speech in scene.desk.speeches] == [("One moment, please.", True)]
    scene.speaks(FIRST_PHRASE, work=FILLER)
    scene.has_spoken(FIRST_PHRASE, work=FILLER)
    scene.writes(0, "It is noon.")
    scene.speaks(0)
    scene.has_spoken(0)
    scene.has_written()
    assert scene.host.text() == "One moment, please. It is noon."
    assert scene.reply.spoken.generated_text.strip() == "It is noon."
    assert [ended.status for ended in scene.host.ended] == ["completed"]


def test_an_answer_that_comes_while_the_filler_is_made_waits_for_it() -> None:
    scene = late()
    scene.writes(0, "It is noon.")
    scene.speaks(0)
    assert scene.host.audio_ms() == 0
    scene.speaks(FIRST_PHRASE, work=FILLER)
    scene.has_spoken(FIRST_PHRASE, work=FILLER)
    assert scene.host.audio_ms() == 200


def test_a_filler_that_cannot_be_spoken_does_not_hold_the_answer_up() -> None:
    scene = late()
    scene.take(WorkFailed(*SESSION, FILLER, "speech", "provider_throttled", True, "later", FIRST_PHRASE))
    scene.writes(0, "It is noon.")
    scene.speaks(0)
    assert scene.host.audio_ms() == 100


def test_a_refused_answer_is_told_with_the_voice_before_the_reply_fails() -> None:
    scene = refused()
    assert [fault.code for fault in scene.host.of(facts.FaultHappened)] == ["provider_refused"]
    assert scene.host.ended == []
    scene.speaks(FIRST_PHRASE, work=FILLER)
    scene.has_spoken(FIRST_PHRASE, work=FILLER)
    assert scene.host.text() == "Sorry, something went wrong. Please say that again."
    assert [(ended.status, ended.reason) for ended in scene.host.ended] == [("failed", "provider_refused")]


def test_an_apology_that_cannot_be_spoken_ends_the_reply_at_once() -> None:
    scene = refused()
    scene.take(WorkFailed(*SESSION, FILLER, "speech", "provider_unavailable", True, "gone", FIRST_PHRASE))
    assert [ended.status for ended in scene.host.ended] == ["failed"]
    assert len(scene.desk.speeches) == 1


def test_a_written_reply_fails_without_an_apology() -> None:
    scene = refused(is_audio=False)
    assert [ended.status for ended in scene.host.ended] == ["failed"]
    assert scene.desk.speeches == []


def test_what_the_failed_mind_still_writes_is_nobodys() -> None:
    scene = refused()
    scene.writes(0, "Too late.")
    assert "Too late." not in scene.reply.spoken.text


def test_the_user_may_interrupt_an_apology() -> None:
    scene = refused()
    scene.reply.interrupt("turn_detected")
    assert [ended.status for ended in scene.host.ended] == ["cancelled"]
    assert FILLER in scene.desk.interrupted


@pytest.mark.parametrize(
    ("language", "filler"),
    [
        ("en-GB", "One moment, please."),
        ("cmn-CN", "请稍等。"),
        ("zh-CN", "请稍等。"),
        ("de-DE", "Einen Moment, bitte."),
    ],
)
def test_phrases_go_by_the_language(language: str, filler: str) -> None:
    phrases = phrases_for(language)
    assert phrases is not None
    assert phrases.filler == filler


def test_every_language_that_has_a_voice_has_its_phrases() -> None:
    assert [language for language in DEFAULT_VOICES if phrases_for(language) is None] == []


def test_a_workers_own_line_is_chinese_however_chinese_is_named() -> None:
    lines = {fixed_line(TOO_LONG, language) for language in ("zh-CN", "cmn-CN", "yue-CN")}
    assert lines == {TOO_LONG["zh"]}


def test_no_phrase_is_better_than_one_in_another_language() -> None:
    assert phrases_for("is-IS") is None


def test_chinese_follows_a_phrase_without_a_space() -> None:
    spoken = SpokenText()
    spoken.add_phrase("请稍等。")
    spoken.add(0, "现在是中午。", "")
    assert spoken.text == "请稍等。现在是中午。"
