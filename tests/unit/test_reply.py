"""One reply on virtual time with a scripted work desk: order, pacing, interruption, lost tasks, second attempts."""

from collections.abc import Callable
from typing import Literal

import pytest

from sessions.live import facts
from sessions.live.items import Item
from sessions.live.reply import Reply
from sessions.live.reply_plan import ReplyPlan
from sessions.live.work_desk import OnFailure
from workers.errors import StreamsUnavailableError
from workers.language_model.contract import ModelOptions
from workers.streams.messages import (
    FrameRequest,
    InterruptEntry,
    MosaicRequest,
    OutputEntry,
    ReplyRequest,
    ReplyWritten,
    SentenceWritten,
    SpeechFinished,
    SpeechMade,
    SpeechRequest,
    TaskBeat,
    ToolCalled,
    ToolReturned,
    TranscriptEntry,
    WorkFailed,
)
from workers.text_to_speech.contract import VoiceOptions

RATE_HZ = 16_000
SESSION = ("sess", 1)


class Desk:
    """Remembers what was asked for; a test answers by handing entries to the reply."""

    output_stream = "nova:output:test"

    def __init__(self) -> None:
        self.replies: list[ReplyRequest] = []
        self.speeches: list[SpeechRequest] = []
        self.openings: list[str] = []
        self.interrupted: list[str] = []
        self.failures: list[OnFailure] = []

    def prepare_reply(self, reply_id: str) -> None:
        raise AssertionError("a reply prepares no other")

    def request_reply(
        self, request: ReplyRequest, words: TranscriptEntry | None, on_failure: OnFailure, is_prepared: bool = False
    ) -> None:
        self.replies.append(request)
        self.failures.append(on_failure)

    def prepare_speech(self, reply_id: str, on_failure: OnFailure) -> None:
        self.openings.append(reply_id)

    def request_speech(self, request: SpeechRequest, on_failure: OnFailure) -> None:
        self.speeches.append(request)

    def request_frame(self, request: FrameRequest, image: bytes, on_failure: OnFailure) -> None:
        raise AssertionError("a reply asks for no frame")

    def request_mosaic(self, request: MosaicRequest, on_failure: OnFailure) -> None:
        raise AssertionError("a reply asks for no mosaic")

    def tell_words(self, entry: TranscriptEntry) -> None:
        raise AssertionError("a reply tells no words")

    def interrupt(self, entry: InterruptEntry) -> None:
        self.interrupted.append(entry.reply_id)


class Host:
    def __init__(self) -> None:
        self.time_ms = 0.0
        self.told: list[facts.Fact] = []
        self.ended: list[facts.ReplyEnded] = []
        self.kept: list[Item] = []
        self.timers: list[tuple[float, Callable[[], None]]] = []

    def now_ms(self) -> float:
        return self.time_ms

    def deliver(self, fact: facts.Fact) -> None:
        self.told.append(fact)

    def call_in(self, delay_ms: float, callback: Callable[[], None]) -> None:
        self.timers.append((self.time_ms + delay_ms, callback))

    def keep_item(self, item: Item) -> str | None:
        self.kept.append(item)
        return None

    client_holds_playback: bool = True
    is_client_away: bool = False

    def reply_finished(self, reply: Reply, ended: facts.ReplyEnded) -> None:
        self.ended.append(ended)

    def pass_time(self, until_ms: float) -> None:
        while due := [timer for timer in self.timers if timer[0] <= until_ms]:
            timer = min(due, key=lambda each: each[0])
            self.timers.remove(timer)
            self.time_ms = timer[0]
            timer[1]()
        self.time_ms = until_ms

    def audio_ms(self) -> float:
        return sum(len(fact.pcm) / 2 / RATE_HZ * 1_000 for fact in self.of(facts.ReplyAudioAdded))

    def text(self) -> str:
        return "".join(fact.delta for fact in self.of(facts.ReplyTextAdded))

    def of(self, kind: type) -> list:  # type: ignore[type-arg]
        return [fact for fact in self.told if isinstance(fact, kind)]


class Scene:
    """A reply that has begun, with shorthands for what workers say about it."""

    def __init__(
        self,
        *,
        is_audio: bool = True,
        fixed_text: str | None = None,
        is_out_of_band: bool = False,
        is_gated: bool = False,
    ) -> None:
        self.desk, self.host = Desk(), Host()
        plan = ReplyPlan(
            *SESSION, "resp", "item", "", (), ModelOptions("m"), VoiceOptions("Ruth", "neural", "en-US"), RATE_HZ,
            is_audio=is_audio, fixed_text=fixed_text, is_out_of_band=is_out_of_band, filler_ms=2_250,
        )  # fmt: skip
        self.reply = Reply(plan, self.desk, self.host, is_gated)
        self.reply.begin()

    def take(self, entry: OutputEntry) -> None:
        if self.reply.owns(entry):
            self.reply.take(entry)

    def writes(self, index: int, text: str, work: str = "resp.0") -> None:
        self.take(SentenceWritten(*SESSION, work, index, text, " " if index else ""))

    def speaks(self, index: int, chunks: int = 1, *, first: int = 0, chunk_ms: int = 100, work: str = "resp.0") -> None:
        for number in range(first, first + chunks):
            pcm = bytes(RATE_HZ * chunk_ms // 1_000 * 2)
            self.take(SpeechMade(*SESSION, work, index, number, RATE_HZ, pcm))

    def has_spoken(self, index: int, work: str = "resp.0") -> None:
        self.take(SpeechFinished(*SESSION, work, index, 1, 5))

    def has_written(self, work: str = "resp.0", stop_reason: str = "end_turn") -> None:
        self.take(ReplyWritten(*SESSION, work, 1, stop_reason))


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
