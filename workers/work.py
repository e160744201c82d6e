"""The work of a worker process: loads a task's request, runs its body, and turns every fault into a typed entry."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import redis
import structlog

from workers.beats import Beats
from workers.cancellation import Cancellations
from workers.errors import ConfigurationError, NovaError, ReplyCancelled, StreamsUnavailableError
from workers.language_model.contract import LanguageModel
from workers.replying import ReplyWriter
from workers.speaking import Speaking
from workers.stopping import Stopping, WorkerStoppingError
from workers.streams import keys
from workers.streams.codec import from_json
from workers.streams.handover import Handover, OpeningSpeech
from workers.streams.messages import (
    Address,
    FrameKept,
    FrameRequest,
    FrameSkipped,
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
Stage = Literal["reply", "speech", "frame"]


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
        except ReplyCancelled:
            logger.info("task_cancelled", stage=stage, session_id=address.session_id, reply_id=address.reply_id)
        except NovaError as error:
            self._report(stage, address, sentence_index, error)
        except Exception as error:  # process border: no task may end silently
            logger.exception("task_crashed", stage=stage, session_id=address.session_id, reply_id=address.reply_id)
            fault = NovaError(f"something went wrong while making this {stage}", code="internal", retriable=True)
            self._report(stage, address, sentence_index, fault, type(error).__name__)

    def _report(self, stage: Stage, address: Address, sentence_index: int, error: NovaError, cause: str = "") -> None:
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
    writer: OutputWriter
    cancellations: Cancellations
    transcripts: TranscriptTable
    beats: Beats
    stopping: Stopping
    hand_back: Callable[[str], None]
    model: LanguageModel
    speech: TextToSpeech
    run_tool: RunTool
    has_word_marks: bool = True

    def generate_reply(self, reply_id: str) -> None:
        key, wait_seconds = keys.reply_request(reply_id), keys.PREPARED_REPLY_SECONDS
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

        with self._running("reply", address, -1):
            opening = OpeningSpeech(self.client, request)
            ReplyWriter(request, self.model, self.client, self.transcripts, self.run_tool, emit, opening).write()

    def synthesize_speech(self, reply_id: str, sentence_index: int) -> None:
        body = self._take(reply_id, keys.speech_request(reply_id, sentence_index), keys.PREPARED_SPEECH_SECONDS)
        if not body:
            logger.info("speech_not_wanted", reply_id=reply_id, sentence_index=sentence_index)
            return
        request = from_json(SpeechRequest, body)
        with self._running("speech", request.address, sentence_index):
            self._speak(request)

    def compress_frame(self, frame_id: str) -> None:
        raise ConfigurationError("frames are compressed by the vision worker")

    def _take(
        self, reply_id: str, key: str, wait_seconds: float, is_given_up: Callable[[], bool] = lambda: False
    ) -> bytes | None:
        """The task may have been published before its request was known. None or empty: nobody wants it any more."""
        try:
            with self.cancellations.watched(reply_id):
                return self.handover.take(key, wait_seconds, is_given_up)
        except (ReplyCancelled, WorkerStoppingError):
            return None

    def _is_for_another(self, reply_id: str, body: bytes | None) -> bool:
        """A worker that stops waits for nothing that it was not asked yet."""
        return body is None and self.stopping.has_begun and not self.cancellations.is_cancelled(reply_id)

    @contextmanager
    def _running(self, stage: Stage, address: Address, sentence_index: int) -> Iterator[None]:
        border = TaskBorder(self.writer)
        with (
            border.around(stage, address, sentence_index),
            self.beats.beating(address, sentence_index),
            self.cancellations.watched(address.reply_id),
        ):
            yield

    def _speak(self, request: SpeechRequest) -> None:
        def emit(entry: OutputEntry) -> None:
            self.writer.write(request.address.output_stream, entry)

        phrases = PhraseCache(self.client)
        Speaking(request, self.speech, phrases, emit, has_word_marks=self.has_word_marks).speak()


@dataclass(frozen=True, slots=True)
class SeeingWork:
    """Frames: one process per core, CPU only. `compressor` holds the pure functions of workers.vision.compressor."""

    client: "redis.Redis"
    writer: OutputWriter
    compress: Callable[..., Any]
    signature: Callable[[bytes], str]
    is_near_identical: Callable[[str, str], bool]

    def generate_reply(self, reply_id: str) -> None:
        raise ConfigurationError("replies are made by the reply worker")

    def synthesize_speech(self, reply_id: str, sentence_index: int) -> None:
        raise ConfigurationError("speech is made by the speech worker")

    def compress_frame(self, frame_id: str) -> None:
        body = _load(self.client, keys.frame_request(frame_id))
        image = _load(self.client, keys.raw_frame(frame_id))
        if body is None or image is None:
            logger.info("frame_not_wanted", frame_id=frame_id)
            return
        request = from_json(FrameRequest, body)
        with TaskBorder(self.writer).around("frame", request.address):
            self.writer.write(request.address.output_stream, self._look(request, image))
        self.client.delete(keys.raw_frame(frame_id))

    def _look(self, request: FrameRequest, image: bytes) -> OutputEntry:
        address = request.address
        ids = (address.session_id, address.generation, address.reply_id)
        seen = self.signature(image)
        if self._stands_for(request, seen):
            return FrameSkipped(*ids, request.source, request.captured_at_ms)
        kept = self.compress(image, max_side_px=request.max_side_px, purpose=request.source)
        self.client.set(keys.kept_frame(address.reply_id), kept.data, ex=request.keep_seconds)
        return FrameKept(
            *ids, request.source, request.captured_at_ms, kept.width_px, kept.height_px, len(kept.data), seen
        )

    def _stands_for(self, request: FrameRequest, seen: str) -> bool:
        """Whether the frame before looks the same; if so its picture is copied, so that every frame's key resolves."""
        previous_id, previous = request.previous_frame_id, request.previous_signature
        if previous_id is None or previous is None or not self.is_near_identical(previous, seen):
            return False
        kept_key = keys.kept_frame(request.address.reply_id)
        is_copied = bool(self.client.copy(keys.kept_frame(previous_id), kept_key, replace=True))
        if is_copied:
            self.client.expire(kept_key, request.keep_seconds)
        return is_copied
