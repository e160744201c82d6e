"""The body of `generate_reply`: the user's words and pictures to the model, its sentences to the output stream."""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import redis
import structlog

from workers.errors import NovaError, ProviderTimeoutError, RequestExpiredError
from workers.language_model.contract import (
    FramePart,
    LanguageModel,
    ModelFinished,
    ModelMessage,
    ModelOptions,
    ModelPart,
    ModelRequest,
    ModelUsage,
    PictureFormat,
    PicturePart,
    StoredMessage,
    StoredPart,
    TextDelta,
    TextPart,
    ToolResultPart,
    ToolUse,
    ToolUsePart,
)
from workers.sentences import Sentence, SentenceCutter
from workers.streams.messages import (
    OutputEntry,
    ReplyRequest,
    ReplyWritten,
    SentenceWritten,
    ToolCalled,
    ToolReturned,
)
from workers.transcript_table import TranscriptTable

logger = structlog.get_logger(__name__)

WORDS_TIMEOUT_SECONDS = 5.0
CONFIRMATION_TIMEOUT_SECONDS = 10.0
NEWEST_FRAME_WAIT_SECONDS = 0.2
FRAME_POLL_SECONDS = 0.01
WITH_WORDS = frozenset({"final", "confirmed"})
ENDED = frozenset({"confirmed", "discarded"})

RunTool = Callable[[str, dict[str, Any]], str]
Emit = Callable[[OutputEntry], None]


class FirstSentence(Protocol):
    """Where the first sentence goes: to the output stream and to its speech."""

    def write_first(self, entry: SentenceWritten) -> None: ...

    def withdraw(self) -> None: ...


@dataclass(slots=True)
class _Progress:
    """What one reply has produced so far, over all its tool rounds."""

    started_at: float
    sentence_count: int = 0
    first_token_ms: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    round_text: list[str] = field(default_factory=list)
    round_tools: list[ToolUse] = field(default_factory=list)

    def add_usage(self, usage: ModelUsage) -> None:
        self.input_tokens += usage.input_tokens
        self.output_tokens += usage.output_tokens


class ReplyWriter:
    """Writes one reply. Made per task; `emit` puts an entry on the output stream of the asking web process."""

    def __init__(
        self,
        request: ReplyRequest,
        model: LanguageModel,
        client: "redis.Redis",
        transcripts: TranscriptTable,
        run_tool: RunTool,
        emit: Emit,
        opening: FirstSentence,
    ) -> None:
        self._request = request
        self._model = model
        self._client = client
        self._transcripts = transcripts
        self._run_tool = run_tool
        self._emit = emit
        self._opening = opening
        self._ids = (request.address.session_id, request.address.generation, request.address.reply_id)
        self._progress = _Progress(started_at=time.monotonic())
        self._tool_places = {tool.name: tool.runs_at for tool in request.tools}

    def write(self) -> None:
        """Raises NovaError; ReplyCancelled passes through and closes the model's stream on its way."""
        try:
            self._write_rounds()
        finally:
            self._opening.withdraw()

    def _write_rounds(self) -> None:
        messages = self._messages()
        options = self._request.options
        for _ in range(self._request.max_tool_rounds + 1):
            stop_reason = self._one_round(tuple(messages), options)
            options = replace(options, must_use_tool=False)
            tools = self._progress.round_tools
            if not tools or self._asks_client(tools):
                self._finish("tool_use" if tools else stop_reason)
                return
            messages += self._answer_tools(tools)
        raise NovaError("the model kept calling tools", code="too_many_tool_rounds")

    def _messages(self) -> list[ModelMessage]:
        stored = list(self._request.history)
        parts: list[StoredPart] = list(self._request.user_frames)
        if self._request.transcript_id is not None:
            parts.append(TextPart(self._users_words(self._request.transcript_id)))
        if parts:
            stored.append(StoredMessage("user", tuple(parts)))
        frames = self._load_frames(stored)
        return [_model_message(message, frames) for message in stored]

    def _users_words(self, transcript_id: str) -> str:
        entry = self._transcripts.wait_for(transcript_id, WITH_WORDS, WORDS_TIMEOUT_SECONDS)
        if entry is None:
            raise RequestExpiredError("the user's words did not arrive on the transcripts stream")
        return entry.text

    def _load_frames(self, messages: list[StoredMessage]) -> dict[str, bytes]:
        """Pictures by key; those whose life is over are missing. The newest may still be with the vision worker."""
        wanted = [part.key for message in messages for part in message.parts if isinstance(part, FramePart)]
        deadline = time.monotonic() + NEWEST_FRAME_WAIT_SECONDS
        while wanted:
            values: Any = self._client.mget(wanted)
            if values[-1] is not None or time.monotonic() > deadline:
                return {key: value for key, value in zip(wanted, values, strict=True) if value is not None}
            time.sleep(FRAME_POLL_SECONDS)
        return {}

    def _one_round(self, messages: tuple[ModelMessage, ...], options: ModelOptions) -> str:
        request = ModelRequest(self._request.system, messages, options, self._request.tools)
        cutter = SentenceCutter()
        progress = self._progress
        progress.round_text, progress.round_tools = [], []
        stop_reason = "end_turn"
        with closing(self._model.stream(request)) as events:  # type: ignore[type-var]
            for event in events:
                self._check_time()
                if isinstance(event, TextDelta):
                    self._take_text(cutter, event.text)
                elif isinstance(event, ToolUse):
                    progress.round_tools.append(event)
                elif isinstance(event, ModelFinished):
                    stop_reason = event.stop_reason
                    progress.add_usage(event.usage)
        self._emit_sentences(cutter.flush())
        return stop_reason

    def _take_text(self, cutter: SentenceCutter, text: str) -> None:
        if not self._progress.first_token_ms:
            self._progress.first_token_ms = self._elapsed_ms()
        self._progress.round_text.append(text)
        self._emit_sentences(cutter.feed(text))

    def _emit_sentences(self, sentences: list[Sentence]) -> None:
        for sentence in sentences:
            index = self._progress.sentence_count
            write = self._emit if index else self._opening.write_first
            write(SentenceWritten(*self._ids, index, sentence.text, sentence.separator))
            self._progress.sentence_count += 1

    def _asks_client(self, tools: list[ToolUse]) -> bool:
        """A round with a client's tool ends the reply: the client answers with items and asks for the next reply."""
        return any(self._emit_client_call(tool) for tool in tools if self._tool_places.get(tool.name) == "client")

    def _emit_client_call(self, tool: ToolUse) -> bool:
        self._emit(ToolCalled(*self._ids, tool.tool_use_id, tool.name, tool.arguments, "client"))
        return True

    def _answer_tools(self, tools: list[ToolUse]) -> list[ModelMessage]:
        self._wait_until_confirmed()
        asked: list[ModelPart] = []
        text = "".join(self._progress.round_text).strip()
        if text:
            asked.append(TextPart(text))
        asked += [ToolUsePart(tool.tool_use_id, tool.name, tool.arguments) for tool in tools]
        answered: list[ModelPart] = [self._answer_tool(tool) for tool in tools]
        return [ModelMessage("assistant", tuple(asked)), ModelMessage("user", tuple(answered))]

    def _answer_tool(self, tool: ToolUse) -> ToolResultPart:
        self._emit(ToolCalled(*self._ids, tool.tool_use_id, tool.name, tool.arguments, "worker"))
        try:
            content, is_error = self._run_tool(tool.name, tool.arguments), False
        except NovaError as error:
            content, is_error = error.text, True
        self._emit(ToolReturned(*self._ids, tool.tool_use_id, content, is_error))
        return ToolResultPart(tool.tool_use_id, content, is_error)

    def _wait_until_confirmed(self) -> None:
        """No tool runs before the user's turn has really ended."""
        if self._request.transcript_id is None:
            return
        entry = self._transcripts.wait_for(self._request.transcript_id, ENDED, CONFIRMATION_TIMEOUT_SECONDS)
        if entry is None or entry.state == "discarded":
            raise RequestExpiredError("the turn was not confirmed, so no tool was run")

    def _check_time(self) -> None:
        if self._elapsed_ms() > self._request.max_reply_seconds * 1_000:
            raise ProviderTimeoutError("the reply took too long", code="reply_too_long")

    def _elapsed_ms(self) -> float:
        return (time.monotonic() - self._progress.started_at) * 1_000

    def _finish(self, stop_reason: str) -> None:
        progress = self._progress
        self._emit(
            ReplyWritten(
                *self._ids,
                sentence_count=progress.sentence_count,
                stop_reason=stop_reason,
                input_tokens=progress.input_tokens,
                output_tokens=progress.output_tokens,
                first_token_ms=progress.first_token_ms,
            )
        )


def _model_message(message: StoredMessage, frames: dict[str, bytes]) -> ModelMessage:
    parts: list[ModelPart] = []
    for part in message.parts:
        if not isinstance(part, FramePart):
            parts.append(part)
        elif part.key in frames:
            data = frames[part.key]
            parts.append(PicturePart(data, _format_of(data), part.source, part.captured_at_ms))
    return ModelMessage(message.role, tuple(parts))


def _format_of(data: bytes) -> PictureFormat:
    if data.startswith(b"\x89PNG"):
        return "png"
    return "webp" if data[8:12] == b"WEBP" else "jpeg"
