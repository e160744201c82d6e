"""A reply whose sound is held and goes on: no sample lost, none doubled, and what was held was not heard."""

import pytest

from sessions.live import facts
from sessions.live.pacing import PlayOut
from tests.unit.reply_scene import Scene


def speaking(*, client_holds: bool) -> Scene:
    scene = Scene()
    scene.host.client_holds_playback = client_holds
    scene.writes(0, "A long sentence of which much was not yet heard.")
    scene.speaks(0, chunks=80)
    scene.host.pass_time(1_000)
    return scene


@pytest.mark.parametrize("client_holds", [True, False])
def test_nothing_is_sent_while_held_and_everything_after(client_holds: bool) -> None:
    scene = speaking(client_holds=client_holds)
    scene.reply.hold()
    sent_ms = scene.host.audio_ms()
    scene.host.pass_time(4_500)
    assert scene.host.audio_ms() == sent_ms
    scene.reply.resume()
    scene.has_spoken(0)
    scene.has_written()
    scene.host.pass_time(20_000)
    assert scene.host.audio_ms() == 8_000
    starts = [fact.audio_start_ms for fact in scene.host.of(facts.ReplyAudioAdded)]
    assert starts == sorted(set(starts))
    assert [fact.is_held for fact in scene.host.of(facts.PlaybackHeld)] == [True, False]


def test_a_client_that_holds_has_heard_no_more_when_it_goes_on() -> None:
    scene = speaking(client_holds=True)
    scene.reply.hold()
    scene.host.pass_time(2_500)
    assert scene.reply.heard_ms == 1_000
    scene.reply.resume()
    scene.host.pass_time(3_000)
    assert scene.reply.heard_ms == 1_500


def test_a_client_that_does_not_hold_plays_what_it_has() -> None:
    scene = speaking(client_holds=False)
    sent_ms = scene.host.audio_ms()
    scene.reply.hold()
    scene.host.pass_time(6_000)
    assert scene.reply.heard_ms == sent_ms


def test_holding_twice_is_holding_once() -> None:
    scene = speaking(client_holds=True)
    scene.reply.hold()
    scene.reply.hold()
    scene.reply.resume()
    scene.reply.resume()
    assert len(scene.host.of(facts.PlaybackHeld)) == 2


def test_an_interruption_of_a_held_reply_counts_what_was_heard_before() -> None:
    scene = speaking(client_holds=True)
    scene.reply.hold()
    scene.host.pass_time(1_800)
    scene.reply.interrupt("turn_detected")
    assert scene.reply.heard_ms == 1_000
    assert [ended.status for ended in scene.host.ended] == ["cancelled"]


def test_progress_reported_during_a_hold_counts() -> None:
    play_out = PlayOut()
    play_out.sent(2_000, 0)
    play_out.hold(500)
    play_out.reported(480, 700)
    play_out.resume(1_500)
    assert play_out.heard_ms(1_500) == 480
    assert play_out.lead_ms(1_500) == pytest.approx(1_520)


def test_a_reply_held_before_its_first_sound_waits_and_tells_nobody() -> None:
    scene = Scene()
    scene.writes(0, "A sentence.")
    scene.reply.hold()
    scene.speaks(0, chunks=3)
    assert scene.host.audio_ms() == 0
    scene.reply.resume()
    assert scene.host.audio_ms() == 300
    assert scene.host.of(facts.PlaybackHeld) == []
