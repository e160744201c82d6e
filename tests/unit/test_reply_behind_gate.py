"""A speculative reply: made behind a gate, then opened as if it came now, or dropped without a trace."""

from sessions.live import facts
from tests.unit.reply_scene import SESSION, Scene
from workers.streams.messages import TaskBeat, ToolCalled, WorkFailed


def test_behind_the_gate_nothing_is_told_and_the_first_sentence_is_made() -> None:
    scene = Scene(is_gated=True)
    scene.take(TaskBeat(*SESSION, "resp.0"))
    scene.writes(0, "Hello.")
    scene.speaks(0)
    scene.writes(1, "How are you?")
    assert scene.host.told == []
    assert scene.host.kept == []
    assert scene.desk.openings == ["resp.0"]
    assert scene.desk.speeches == []


def test_an_opened_gate_tells_all_that_has_come_in_order() -> None:
    scene = Scene(is_gated=True)
    scene.writes(0, "Hello.")
    scene.writes(1, "How are you?")
    scene.speaks(0)
    scene.has_spoken(0)
    scene.has_written()
    scene.reply.open_gate()
    assert [type(fact).__name__ for fact in scene.host.told] == [
        "ReplyStarted", "ReplyItemStarted", "ReplyTextAdded", "ReplyAudioAdded",
    ]  # fmt: skip
    assert [speech.text for speech in scene.desk.speeches] == ["How are you?"]
    scene.speaks(1)
    scene.has_spoken(1)
    assert [ended.status for ended in scene.host.ended] == ["completed"]
    assert scene.host.text() == "Hello. How are you?"


def test_a_dropped_reply_leaves_no_trace_and_stops_its_workers() -> None:
    scene = Scene(is_gated=True)
    scene.writes(0, "Hello.")
    scene.speaks(0)
    scene.reply.call_off()
    scene.speaks(0, first=1)
    assert scene.host.told == []
    assert scene.host.ended == []
    assert scene.desk.interrupted == ["resp.0"]


def test_a_clients_tool_is_not_called_from_behind_the_gate() -> None:
    scene = Scene(is_gated=True)
    scene.take(ToolCalled(*SESSION, "resp.0", "call_1", "book", {}, "client"))
    assert scene.host.told == []
    scene.reply.open_gate()
    assert any(isinstance(fact, facts.ReplyItemStarted) for fact in scene.host.told)


def test_a_lost_task_behind_the_gate_makes_the_reply_unfit_and_tells_nobody() -> None:
    scene = Scene(is_gated=True)
    scene.host.pass_time(2_100)
    scene.reply.check()
    assert scene.reply.is_broken
    assert scene.host.told == []
    assert len(scene.desk.replies) == 1


def test_a_failed_task_behind_the_gate_makes_the_reply_unfit() -> None:
    scene = Scene(is_gated=True)
    scene.take(WorkFailed(*SESSION, "resp.0", "reply", "provider_throttled", True, "later"))
    assert scene.reply.is_broken
    assert scene.host.told == []


def test_a_reply_that_is_done_behind_the_gate_is_not_taken_for_lost() -> None:
    scene = Scene(is_gated=True)
    scene.writes(0, "Hello.")
    scene.speaks(0)
    scene.has_spoken(0)
    scene.has_written()
    scene.host.pass_time(2_500)
    scene.reply.check()
    assert not scene.reply.is_broken
