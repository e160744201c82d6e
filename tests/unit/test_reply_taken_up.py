"""A reply that another process had begun goes on: every sample once, every word once, one end."""

import pytest
from pydantic import TypeAdapter

from sessions.live import facts
from sessions.live.portable_reply import PortableReply
from tests.unit.reply_scene import RATE_HZ, SESSION, Scene
from workers.streams.messages import SpeechFinished, SpeechMade, TaskBeat

KEPT: TypeAdapter[PortableReply] = TypeAdapter(PortableReply)
TEXTS = ("One two three.", "Four five six.", "Seven eight nine.")
CHUNKS = 15
MARK = "g2"


def ramp(index: int) -> bytes:
    """Speech of 1.5 s, each sample different from the others of the reply."""
    length = RATE_HZ * CHUNKS // 10
    return b"".join((index * length + number).to_bytes(4, "big")[2:] for number in range(length))


def speak(scene: Scene, index: int, work: str) -> None:
    size = RATE_HZ // 10 * 2
    for number in range(CHUNKS):
        pcm = ramp(index)[number * size : (number + 1) * size]
        scene.take(SpeechMade(*SESSION, work, index, number, RATE_HZ, pcm))
    scene.take(SpeechFinished(*SESSION, work, index, CHUNKS, 5))


def sound_of(scene: Scene) -> bytes:
    return b"".join(fact.pcm for fact in scene.host.of(facts.ReplyAudioAdded))


def begun(spoken: int, until_ms: float, written: int = 3) -> Scene:
    scene = Scene()
    for index, text in enumerate(TEXTS[:written]):
        scene.writes(index, text)
    if written == len(TEXTS):
        scene.has_written()
    for index in range(spoken):
        speak(scene, index, "resp.0")
    scene.host.pass_time(until_ms)
    return scene


def taken_up(first: Scene, heard_ms: float | None = None) -> Scene:
    """In a process of its own: what it knows has been text on the way."""
    kept = first.reply.portable()
    assert kept is not None
    kept = KEPT.validate_json(KEPT.dump_json(kept))
    second = Scene.__new__(Scene)
    second.desk, second.host = type(first.desk)(), type(first.host)()
    second.reply = type(first.reply)(first.reply.plan, second.desk, second.host)
    second.reply.take_up(kept, kept.sent_ms if heard_ms is None else heard_ms, MARK)
    return second


def finish(second: Scene, seconds: float = 20.0) -> None:
    """The workers make what they are asked for."""
    answered = 0
    while second.host.ended == [] and second.host.time_ms < seconds * 1_000:
        for request in second.desk.speeches[answered:]:
            answered += 1
            speak(second, request.sentence_index, request.address.reply_id)
        second.host.pass_time(second.host.time_ms + 100)


@pytest.mark.parametrize("until_ms", [0, 350, 900, 1_400, 1_900, 2_300])
def test_every_sample_comes_once_wherever_the_first_process_stopped(until_ms: float) -> None:
    first = begun(spoken=3, until_ms=until_ms)
    second = taken_up(first)
    finish(second)
    assert sound_of(first) + sound_of(second) == ramp(0) + ramp(1) + ramp(2)
    assert first.host.text() + second.host.text() == " ".join(TEXTS)
    assert [ended.status for ended in second.host.ended] == ["completed"]


def test_what_the_client_did_not_get_is_made_again() -> None:
    first = begun(spoken=3, until_ms=900)
    second = taken_up(first, heard_ms=700)
    finish(second)
    got = sound_of(first)[: RATE_HZ * 700 // 1_000 * 2]
    assert got + sound_of(second) == ramp(0) + ramp(1) + ramp(2)


def test_a_reply_of_which_nothing_was_heard_is_spoken_whole() -> None:
    second = taken_up(begun(spoken=0, until_ms=0))
    finish(second)
    assert sound_of(second) == ramp(0) + ramp(1) + ramp(2)


def test_a_model_that_still_writes_is_read_on() -> None:
    second = taken_up(begun(spoken=1, until_ms=300, written=1))
    second.writes(1, TEXTS[1])
    second.writes(2, TEXTS[2])
    second.has_written()
    finish(second)
    assert second.host.text() == f" {TEXTS[1]} {TEXTS[2]}"
    assert [ended.status for ended in second.host.ended] == ["completed"]


def test_speech_is_asked_for_under_ids_of_its_own_so_that_late_sound_of_before_is_nobodys() -> None:
    second = taken_up(begun(spoken=1, until_ms=300))
    assert {request.address.reply_id for request in second.desk.speeches} == {f"resp.0.{n}.0{MARK}" for n in (1, 2)}
    before = sound_of(second)
    speak(second, 1, "resp.0")
    assert sound_of(second) == before


def test_a_model_that_is_lost_on_the_way_is_asked_again_while_nothing_was_written() -> None:
    second = taken_up(begun(spoken=0, until_ms=0, written=0))
    second.host.time_ms = 2_100
    second.reply.check()
    assert [request.address.reply_id for request in second.desk.replies] == ["resp.1"]
    assert [fault.code for fault in second.host.of(facts.FaultHappened)] == ["worker_lost"]


def test_signs_of_life_of_before_keep_it_from_being_lost() -> None:
    second = taken_up(begun(spoken=0, until_ms=0, written=0))
    second.host.time_ms = 1_500
    second.take(TaskBeat(*SESSION, "resp.0"))
    second.host.time_ms = 2_500
    second.reply.check()
    assert second.desk.replies == []


def test_a_reply_that_is_over_or_behind_the_gate_is_nothing_to_go_on_with() -> None:
    over = begun(spoken=3, until_ms=5_000)
    assert over.reply.portable() is None
    assert Scene(is_gated=True).reply.portable() is None


# --- a client that is away for a while --------------------------------------------------------------------------------


def test_no_sound_leaves_while_the_client_is_away_and_all_of_it_afterwards() -> None:
    scene = begun(spoken=1, until_ms=100)
    sent_ms = scene.host.audio_ms()
    scene.host.is_client_away = True
    speak(scene, 1, "resp.0")
    scene.host.pass_time(3_000)
    assert scene.host.audio_ms() == sent_ms
    scene.host.is_client_away = False
    scene.reply.client_is_back(0.0)
    speak(scene, 2, "resp.0")
    scene.host.pass_time(8_000)
    assert sound_of(scene) == ramp(0) + ramp(1) + ramp(2)


def test_nobody_is_told_of_a_delay_while_nobody_listens() -> None:
    scene = Scene()
    scene.host.is_client_away = True
    scene.take(TaskBeat(*SESSION, "resp.0"))
    scene.host.time_ms = 1_900
    scene.take(TaskBeat(*SESSION, "resp.0"))
    scene.host.time_ms = 3_000
    scene.reply.check()
    assert scene.host.of(facts.Noticed) == []
    assert scene.reply.spoken.sentences == []


def test_words_that_were_told_before_their_sound_are_not_told_again() -> None:
    first = begun(spoken=0, until_ms=300, written=1)
    assert first.host.text() == TEXTS[0]
    second = taken_up(first)
    second.host.pass_time(1_000)
    assert second.host.text() == ""
