"""PO-01: what becomes of a reply's words when their sound is late."""

from tests.unit.reply_scene import Scene


def test_po_01_words_whose_sound_is_late_are_told_within_300_ms_and_once() -> None:
    scene = Scene()
    scene.writes(0, "One moment.")
    scene.writes(1, "Here it is.")
    scene.host.pass_time(200)
    assert scene.host.text() == ""
    scene.host.pass_time(300)
    assert scene.host.text() == "One moment."
    scene.speaks(0, 3)
    scene.has_spoken(0)
    scene.host.pass_time(500)
    assert scene.host.text() == "One moment."
    scene.host.pass_time(1_000)
    assert scene.host.text() == "One moment. Here it is."
    scene.speaks(1, 1)
    scene.has_spoken(1)
    assert scene.host.text() == "One moment. Here it is."
    assert scene.host.audio_ms() == 400


def test_waiting_for_a_late_sound_does_not_slow_the_pace_of_what_comes() -> None:
    late, prompt = Scene(), Scene()
    for scene in (late, prompt):
        scene.writes(0, "One.")
        scene.writes(1, "Two, which is long.")
        scene.speaks(0, 1)
        scene.has_spoken(0)
    for scene in (late, prompt):
        scene.host.pass_time(50 if scene is late else 0)
        scene.speaks(1, 20)
        scene.host.pass_time(1_000)
    assert abs(late.host.audio_ms() - prompt.host.audio_ms()) <= 100


def test_a_reply_that_was_cut_off_tells_no_words_afterwards() -> None:
    scene = Scene()
    scene.writes(0, "One moment.")
    scene.reply.interrupt("client")
    scene.host.pass_time(1_000)
    assert scene.host.text() == ""
