"""A reply on virtual time with a scripted work desk, and shorthands for what workers say about it."""

from collections.abc import Callable

from sessions.live import facts
from sessions.live.items import Item
from sessions.live.reply import Reply
from sessions.live.reply_plan import ReplyPlan
from sessions.live.work_desk import OnFailure
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
    TranscriptEntry,
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
