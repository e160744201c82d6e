"""One reply on virtual time with a scripted work desk: order, pacing, interruption, lost tasks, second attempts."""

from typing import Literal

import pytest

from sessions.live import facts
from tests.unit.reply_scene import SESSION, Scene
from workers.errors import StreamsUnavailableError
from workers.streams.messages import (
    TaskBeat,
    ToolCalled,
    ToolReturned,
    WorkFailed,
)


def test_a_reply_of_two_sentences_is_told_in_order() -> None:
    scene = Scene()
    scene.writes(0, "Hello.")
    scene.writes(1, "How are you?")
    scene.speaks(1)
    assert scene.host.audio_ms() == 0
    scene.speaks(0)
    scene.has_spoken(0)
    scene.has_spoken(1)
    scene.has_written()
    kinds = [type(fact).__name__ for fact in scene.host.told]
    assert kinds == [
        "ReplyStarted", "ReplyItemStarted", "ReplyTextAdded", "ReplyAudioAdded",
        "ReplyTextAdded", "ReplyAudioAdded", "ReplyItemFinished",
    ]  # fmt: skip
    assert scene.host.text() == "Hello. How are you?"
    assert [ended.status for ended in scene.host.ended] == ["completed"]


def test_speech_is_paced_two_seconds_ahead() -> None:
    scene = Scene()
    scene.writes(0, "A long sentence.")
    scene.speaks(0, chunks=50)
    assert scene.host.audio_ms() <= 2_100
    scene.host.pass_time(1_000)
    assert 2_900 <= scene.host.audio_ms() <= 3_200
    scene.host.pass_time(4_000)
    assert scene.host.audio_ms() == 5_000


def test_the_reply_ends_when_all_its_speech_was_sent() -> None:
    scene = Scene()
    scene.writes(0, "A long sentence.")
    scene.speaks(0, chunks=30)
    scene.has_spoken(0)
    scene.has_written()
    assert scene.host.ended == []
    scene.host.pass_time(1_100)
    assert [ended.status for ended in scene.host.ended] == ["completed"]


def test_an_interruption_ends_it_once_and_sends_nothing_more() -> None:
    scene = Scene()
    scene.writes(0, "A long sentence.")
    scene.speaks(0, chunks=30)
    sent_ms = scene.host.audio_ms()
    scene.reply.interrupt("turn_detected")
    scene.speaks(0, chunks=5, first=30)
    scene.host.pass_time(9_000)
    assert scene.host.audio_ms() == sent_ms
    assert scene.desk.interrupted == ["resp.0"]
    assert [(ended.status, ended.reason) for ended in scene.host.ended] == [("cancelled", "turn_detected")]


def test_a_lost_worker_is_told_and_the_reply_is_asked_for_once_more() -> None:
    scene = Scene()
    scene.host.pass_time(2_100)
    scene.reply.check()
    assert [fault.code for fault in scene.host.of(facts.FaultHappened)] == ["worker_lost"]
    assert [request.address.reply_id for request in scene.desk.replies] == ["resp.0", "resp.1"]
    assert scene.desk.interrupted == ["resp.0"]


def test_the_opening_speech_is_prepared_once_the_reply_runs_and_its_text_is_not_asked_for_twice() -> None:
    scene = Scene()
    assert scene.desk.openings == []
    scene.take(TaskBeat(*SESSION, "resp.0"))
    scene.take(TaskBeat(*SESSION, "resp.0"))
    scene.writes(0, "First.")
    scene.writes(1, "Second.")
    assert scene.desk.openings == ["resp.0"]
    assert scene.desk.replies[0].opening_voice is not None
    assert [(speech.sentence_index, speech.text) for speech in scene.desk.speeches] == [(1, "Second.")]


def test_a_written_reply_prepares_no_speech() -> None:
    scene = Scene(is_audio=False)
    scene.take(TaskBeat(*SESSION, "resp.0"))
    scene.writes(0, "First.")
    assert scene.desk.openings == []
    assert scene.desk.replies[0].opening_voice is None


def test_late_entries_of_a_given_up_attempt_are_nobodys() -> None:
    scene = Scene()
    scene.host.pass_time(2_100)
    scene.reply.check()
    scene.writes(0, "Too late.", work="resp.0")
    scene.writes(0, "In time.", work="resp.1")
    assert scene.reply.spoken.text == "In time."
    assert scene.desk.openings == ["resp.1"]


def test_a_second_loss_fails_the_reply() -> None:
    scene = Scene()
    for until_ms in (2_100, 8_200):
        scene.host.pass_time(until_ms)
        scene.reply.check()
    assert [ended.status for ended in scene.host.ended] == ["failed"]
    assert scene.host.ended[0].reason == "worker_lost"


def test_a_reply_that_has_written_is_not_made_again() -> None:
    scene = Scene()
    scene.writes(0, "Hello.")
    scene.take(WorkFailed(*SESSION, "resp.0", "reply", "provider_unavailable", True, "gone"))
    assert len(scene.desk.replies) == 1
    assert [ended.status for ended in scene.host.ended] == ["failed"]


def test_a_refused_request_is_not_tried_again() -> None:
    scene = Scene(is_audio=False)
    scene.take(WorkFailed(*SESSION, "resp.0", "reply", "provider_refused", False, "no access"))
    assert len(scene.desk.replies) == 1
    assert [(ended.status, ended.reason) for ended in scene.host.ended] == [("failed", "provider_refused")]


def test_lost_speech_goes_on_from_where_it_broke_off() -> None:
    scene = Scene()
    scene.writes(0, "A sentence.")
    scene.speaks(0, chunks=3)
    scene.take(WorkFailed(*SESSION, "resp.0", "speech", "provider_unavailable", True, "reset", 0))
    assert scene.desk.openings == ["resp.0"]
    assert [request.address.reply_id for request in scene.desk.speeches] == ["resp.0.0.1"]
    scene.speaks(0, chunks=5, work="resp.0.0.1")
    assert scene.host.audio_ms() == 500


def test_a_sentence_without_sound_is_still_shown_and_the_next_is_spoken() -> None:
    scene = Scene()
    scene.writes(0, "Mute.")
    scene.writes(1, "Loud.")
    scene.take(WorkFailed(*SESSION, "resp.0", "speech", "provider_refused", False, "bad voice", 0))
    scene.speaks(1)
    scene.has_spoken(1)
    scene.has_written()
    assert scene.host.text() == "Mute. Loud."
    assert [ended.status for ended in scene.host.ended] == ["completed"]


def test_a_gap_in_the_chunks_is_a_fault_not_a_jump() -> None:
    scene = Scene()
    scene.writes(0, "A sentence.")
    scene.speaks(0, first=0)
    scene.speaks(0, first=2)
    assert [fault.code for fault in scene.host.of(facts.FaultHappened)] == ["speech_gap"]
    assert scene.host.audio_ms() == 100


def test_a_chunk_that_comes_twice_is_heard_once() -> None:
    scene = Scene()
    scene.writes(0, "A sentence.")
    scene.speaks(0, first=0)
    scene.speaks(0, first=0)
    assert scene.host.audio_ms() == 100


def test_a_publish_that_failed_is_told_at_once() -> None:
    scene = Scene()
    scene.desk.failures[0](StreamsUnavailableError("Redis is away"))
    assert [fault.code for fault in scene.host.of(facts.FaultHappened)] == ["streams_unavailable"]


def test_text_replies_ask_for_no_speech() -> None:
    scene = Scene(is_audio=False)
    scene.writes(0, "Hello.")
    scene.has_written()
    assert scene.desk.speeches == []
    assert scene.host.text() == "Hello."
    assert [ended.status for ended in scene.host.ended] == ["completed"]


@pytest.mark.parametrize(
    ("stop_reason", "reason"), [("max_tokens", "max_output_tokens"), ("content_filtered", "content_filter")]
)
def test_a_cut_model_makes_an_incomplete_reply(stop_reason: str, reason: str) -> None:
    scene = Scene(is_audio=False)
    scene.writes(0, "Hello")
    scene.has_written(stop_reason=stop_reason)
    assert [(ended.status, ended.reason) for ended in scene.host.ended] == [("incomplete", reason)]


@pytest.mark.parametrize("is_out_of_band", [False, True])
def test_a_reply_says_from_its_start_whether_it_is_out_of_band(is_out_of_band: bool) -> None:
    started = Scene(is_out_of_band=is_out_of_band).host.of(facts.ReplyStarted)
    assert [fact.is_out_of_band for fact in started] == [is_out_of_band]


def test_a_greeting_needs_no_model() -> None:
    scene = Scene(fixed_text="Hello, I am Nova.")
    assert scene.desk.replies == []
    assert [speech.text for speech in scene.desk.speeches] == ["Hello, I am Nova."]


def test_a_finished_tool_call_is_kept_with_its_result() -> None:
    scene = Scene()
    scene.take(ToolCalled(*SESSION, "resp.0", "t1", "current_time", {}, "worker"))
    assert scene.host.kept == []
    scene.take(ToolReturned(*SESSION, "resp.0", "t1", "noon", False))
    assert [item.item_id for item in scene.host.kept] == ["item_t1", "item_t1_output"]


def test_a_clients_tool_is_handed_to_the_client() -> None:
    scene = Scene(is_audio=False)
    scene.take(ToolCalled(*SESSION, "resp.0", "t1", "open_door", {"n": 1}, "client"))
    scene.has_written(stop_reason="tool_use")
    started = scene.host.of(facts.ReplyItemStarted)
    assert [fact.item.name for fact in started] == ["open_door"]
    assert [item.item_id for item in scene.host.ended[0].items] == ["item_t1"]


@pytest.mark.parametrize("runs_at", ["client", "worker"])
def test_an_out_of_band_call_does_not_join_the_history(runs_at: Literal["client", "worker"]) -> None:
    scene = Scene(is_out_of_band=True)
    scene.take(ToolCalled(*SESSION, "resp.0", "t1", "open_door", {}, runs_at))
    scene.take(ToolReturned(*SESSION, "resp.0", "t1", "open", False))
    assert scene.host.kept == []
