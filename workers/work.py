"""The work of a worker process: loads a task's request, runs its body, and turns every fault into a typed entry."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, TypeVar

import redis
import structlog

from workers import metrics, tracing
from workers.beats import Beats
from workers.cancellation import Cancellations
from workers.errors import ConfigurationError, NovaError, ReplyCancelled, StreamsUnavailableError
from workers.language_model.contract import LanguageModel
from workers.log_context import LogIds, working_for
from workers.opening_speech import Meeting, Meetings, OpeningSpeech
from workers.rehearsal import Rehearsal
from workers.replying import ReplyWriter
from workers.speaking import Speaking
from workers.stopping import Stopping, WorkerStoppingError
from workers.streams import keys
from workers.streams.codec import from_json, vision_request_from_json
from workers.streams.handover import Handover
from workers.streams.messages import (
    Address,
    FrameRequest,
    MosaicRequest,
    OutputEntry,
    ReplyRequest,
    SpeechRequest,
    WorkFailed,
)
from workers.streams.output_writer import OutputWriter
from workers.text_to_speech.contract import TextToSpeech
from workers.text_to_speech.phrase_cache import PhraseCache
from workers.tool_answers import RunTool
from workers.transcript_table import TranscriptTable

logger = structlog.get_logger(__name__)
Taken = TypeVar("Taken")
Stage = Literal["reply", "speech", "frame"]
TASK_OF: Final[dict[Stage, str]] = {
    "reply": "generate_reply",
    "speech": "synthesize_speech",
    "frame": "compress_frame",
}


def _load(client: "redis.Redis", key: str) -> bytes | None:
    value: Any = client.get(key)
    return value if isinstance(value, bytes) else None


class TaskBorder:
    """Where a task's faults end: each becomes a WorkFailed entry for the web process that asked."""

    def __init__(self, writer: OutputWriter) -> None:
        self._writer = writer

    @contextmanager
    def around(self, stage: Stage, address: Address, sentence_index: int = -1) -> Iterator[None]:
        try:
            yield
            metrics.count_task_end(TASK_OF[stage], "done")
        except ReplyCancelled:
            metrics.count_task_end(TASK_OF[stage], "cancelled")
            logger.info("task_cancelled", stage=stage, session_id=address.session_id, reply_id=address.reply_id)
        except NovaError as error:
            self._report(stage, address, sentence_index, error)
        except Exception as error:  # process border: no task may end silently
            logger.exception("task_crashed", stage=stage, session_id=address.session_id, reply_id=address.reply_id)
            fault = NovaError(f"something went wrong while making this {stage}", code="internal", retriable=True)
            self._report(stage, address, sentence_index, fault, type(error).__name__)

    def _report(self, stage: Stage, address: Address, sentence_index: int, error: NovaError, cause: str = "") -> None:
        metrics.count_task_end(TASK_OF[stage], "expired" if error.code == "request_expired" else "failed")
        logger.warning("task_failed", stage=stage, reply_id=address.reply_id, code=error.code, cause=cause)
        entry = WorkFailed(
            address.session_id,
            address.generation,
            address.reply_id,
            stage,
            error.code,
            error.retriable,
            error.text,
            sentence_index,
        )
        try:
            self._writer.write(address.output_stream, entry)
        except StreamsUnavailableError:
            logger.warning("task_fault_unreported", stage=stage, reply_id=address.reply_id)


@dataclass(frozen=True, slots=True)
class TalkingWork:
    """Replies and speech: many greenlets, I/O only."""

    client: "redis.Redis"
    handover: Handover
    meetings: Meetings
    writer: OutputWriter
    cancellations: Cancellations
    transcripts: TranscriptTable
    beats: Beats
    stopping: Stopping
    hand_back: Callable[[str], None]
    model: LanguageModel
    speech: TextToSpeech
    model_rehearsal: Rehearsal
    speech_rehearsal: Rehearsal
    run_tool: RunTool
    has_word_marks: bool = True

    def generate_reply(self, reply_id: str) -> None:
        key, wait_seconds = keys.reply_request(reply_id), keys.PREPARED_REPLY_SECONDS
        with self.model_rehearsal.meanwhile():
            body = self._take(reply_id, key, wait_seconds, lambda: self.stopping.has_begun)
        if self._is_for_another(reply_id, body):
            self.hand_back(reply_id)
            return
        if not body:
            logger.info("reply_not_wanted", reply_id=reply_id)
            return
        request = from_json(ReplyRequest, body)
        address = request.address

        def emit(entry: OutputEntry) -> None:
            self.writer.write(address.output_stream, entry)

        with self.meetings.opened(reply_id) as meeting:

            def write() -> None:
                opening = OpeningSpeech(self.client, request, meeting)
                ReplyWriter(request, self.model, self.client, self.transcripts, self.run_tool, emit, opening).write()

            self._run("reply", address, -1, write)

    def synthesize_speech(self, reply_id: str, sentence_index: int) -> None:
        meeting = self.meetings.find(reply_id) if sentence_index == 0 else None
        with self.speech_rehearsal.meanwhile():
            request = self._take_speech(reply_id, sentence_index, meeting)
        if request is None:
            logger.info("speech_not_wanted", reply_id=reply_id, sentence_index=sentence_index)
            return
        self._run("speech", request.address, sentence_index, lambda: self._speak(request, meeting))

    def compress_frame(self, frame_id: str) -> None:
        raise ConfigurationError("frames are compressed by the vision worker")

    def _take(
        self, reply_id: str, key: str, wait_seconds: float, is_given_up: Callable[[], bool] = lambda: False
    ) -> bytes | None:
        """The task may have been published before its request was known. None or empty: nobody wants it any more."""
        return self._unless_cancelled(reply_id, lambda: self.handover.take(key, wait_seconds, is_given_up))

    def _take_speech(self, reply_id: str, sentence_index: int, meeting: Meeting | None) -> SpeechRequest | None:
        if meeting is not None and meeting.is_joined():
            return self._unless_cancelled(reply_id, lambda: meeting.wait(keys.PREPARED_SPEECH_SECONDS))
        body = self._take(reply_id, keys.speech_request(reply_id, sentence_index), keys.PREPARED_SPEECH_SECONDS)
        return from_json(SpeechRequest, body) if body else None

    def _unless_cancelled(self, reply_id: str, wait: Callable[[], Taken | None]) -> Taken | None:
        """None, too, for what was cancelled before the task began."""
        try:
            with self.cancellations.watched(reply_id):
                return wait()
        except (ReplyCancelled, WorkerStoppingError):
            return None

    def _is_for_another(self, reply_id: str, body: bytes | None) -> bool:
        """A worker that stops waits for nothing that it was not asked yet."""
        return body is None and self.stopping.has_begun and not self.cancellations.is_cancelled(reply_id)

    def _run(self, stage: Stage, address: Address, sentence_index: int, body: Callable[[], None]) -> None:
        """Not a context manager: what was cancelled since its request was taken must not run its body at all."""
        border = TaskBorder(self.writer)
        about: dict[str, tracing.Value] = {
            "session.id": address.session_id,
            "nova.reply.id": address.reply_id,
            "nova.sentence": sentence_index,
        }
        with (
            working_for(LogIds(address.session_id, address.turn_id, address.reply_id)),
            border.around(stage, address, sentence_index),
            tracing.task_span(TASK_OF[stage], address.turn_id, about),
            self.beats.beating(address, sentence_index),
            self.cancellations.watched(address.reply_id),
        ):
            body()

    def _speak(self, request: SpeechRequest, meeting: Meeting | None) -> None:
        def emit(entry: OutputEntry) -> None:
            if meeting is not None:
                meeting.wait_until_told()
            self.writer.write(request.address.output_stream, entry)

        phrases = PhraseCache(self.client)
        Speaking(request, self.speech, phrases, emit, has_word_marks=self.has_word_marks).speak()


class Sight(Protocol):
    """workers.seeing.Eye, which loads the picture library."""

    def look(self, request: FrameRequest, image: bytes) -> OutputEntry: ...

    def compose(self, request: MosaicRequest) -> OutputEntry: ...


@dataclass(frozen=True, slots=True)
class SeeingWork:
    """Frames: one process per core, CPU only."""

    client: "redis.Redis"
    writer: OutputWriter
    eye: Sight

    def generate_reply(self, reply_id: str) -> None:
        raise ConfigurationError("replies are made by the reply worker")

    def synthesize_speech(self, reply_id: str, sentence_index: int) -> None:
        raise ConfigurationError("speech is made by the speech worker")

    def compress_frame(self, frame_id: str) -> None:
        body = _load(self.client, keys.frame_request(frame_id))
        if body is None:
            logger.info("frame_not_wanted", frame_id=frame_id)
            return
        request = vision_request_from_json(body)
        address = request.address
        with working_for(LogIds(address.session_id)), TaskBorder(self.writer).around("frame", address):
            entry = self._seen(request)
            if entry is not None:
                self.writer.write(address.output_stream, entry)
        self.client.delete(keys.raw_frame(frame_id), keys.frame_request(frame_id))

    def _seen(self, request: FrameRequest | MosaicRequest) -> OutputEntry | None:
        if isinstance(request, MosaicRequest):
            return self.eye.compose(request)
        image = _load(self.client, keys.raw_frame(request.address.reply_id))
        if image is None:
            logger.info("frame_not_wanted", frame_id=request.address.reply_id)
            return None
        return self.eye.look(request, image)
