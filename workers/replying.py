"""The body of `generate_reply`: the user's words and pictures to the model, its sentences to the output stream."""

import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from typing import Protocol

import redis
import structlog

from workers import metrics, tracing
from workers.errors import ProviderTimeoutError, ReplyCancelled, RequestExpiredError, StreamsUnavailableError
from workers.language_model.contract import (
    LanguageModel,
    ModelFinished,
    ModelMessage,
    ModelOptions,
    ModelPart,
    ModelRequest,
    ModelUsage,
    StoredMessage,
    StoredPart,
    TextDelta,
    TextPart,
    ToolSpec,
    ToolUse,
    ToolUsePart,
)
from workers.language_model.span_attributes import answered_attributes, asked_attributes
from workers.language_model.token_estimate import estimated_input_tokens, estimated_picture_tokens, estimated_tokens
from workers.looking import Looking
from workers.reply_sentences import ReplySentences
from workers.request_pictures import NEWEST_FRAME_WAIT_SECONDS, fill_in
from workers.streams.messages import (
    OutputEntry,
    ReplyRequest,
    ReplyWritten,
    SentenceWritten,
)
from workers.tool_answers import RunTool, ToolAnswers
from workers.transcript_table import TranscriptTable

logger = structlog.get_logger(__name__)

WORDS_TIMEOUT_SECONDS = 5.0
CONFIRMATION_TIMEOUT_SECONDS = 10.0
WITH_WORDS = frozenset({"final", "confirmed"})
ENDED = frozenset({"confirmed", "discarded"})

Emit = Callable[[OutputEntry], None]


class FirstSentence(Protocol):
    """Where the first sentence goes: to the output stream and to its speech."""

    def write_first(self, entry: SentenceWritten) -> None: ...

    def withdraw(self) -> None: ...


@dataclass(slots=True)
class _Progress:
    """What one reply has produced so far, over all its tool rounds."""

    started_at: float
    first_token_ms: float = 0.0
    model_id: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    picture_tokens: int = 0
    pictures: int = 0
    picture_bytes: int = 0
    is_usage_estimated: bool = False
    running: ModelRequest | None = None
    round_text: list[str] = field(default_factory=list)
    round_tools: list[ToolUse] = field(default_factory=list)

    def begin_round(self, request: ModelRequest) -> None:
        self.running, self.round_text, self.round_tools = request, [], []
        self.picture_tokens += estimated_picture_tokens(request)

    def end_round(self, finished: ModelFinished) -> None:
        self.running = None
        self.model_id = finished.model_id or self.model_id
        self._add_usage(finished.usage)

    def break_off(self) -> None:
        """A model that did not come to its end did not tell what it cost."""
        if self.running is not None:
            tokens = estimated_input_tokens(self.running), estimated_tokens("".join(self.round_text))
            self._add_usage(ModelUsage(*tokens, is_estimated=True))
            self.running = None

    def _add_usage(self, usage: ModelUsage) -> None:
        self.input_tokens += usage.input_tokens
        self.output_tokens += usage.output_tokens
        self.cached_input_tokens += usage.cached_input_tokens
        self.is_usage_estimated = self.is_usage_estimated or usage.is_estimated


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
        self._emit = emit
        self._opening = opening
        self._ids = (request.address.session_id, request.address.generation, request.address.reply_id)
        self._progress = _Progress(started_at=time.monotonic(), model_id=request.options.model)
        self._sentences = ReplySentences(request, emit, opening.write_first)
        looking = Looking(client, request.address.session_id, request.clock_started_at_ms, request.in_view)
        self._tools = ToolAnswers(request.tools, request.history, run_tool, emit, self._ids, looking)

    def write(self) -> None:
        """Raises NovaError; ReplyCancelled passes through, closes the model's stream on its way and leaves its cost."""
        try:
            self._write_rounds(self._messages())
        except ReplyCancelled:
            self._tell_cost()
            raise
        finally:
            self._opening.withdraw()

    def _write_rounds(self, messages: list[ModelMessage]) -> None:
        """The last round, and the one after a call that could not be run, offers no tools: the model must answer."""
        options = self._request.options
        for rounds_left in range(self._request.max_tool_rounds, -1, -1):
            offered = self._request.tools if rounds_left and not self._tools.had_fault else ()
            stop_reason = self._one_round(tuple(messages), offered, options)
            options = replace(options, must_use_tool=False)
            uses = self._progress.round_tools
            if not uses:
                self._finish(stop_reason)
                return
            clients = [use for use in uses if self._tools.is_clients(use)]
            messages += self._answer_tools([use for use in uses if use not in clients])
            if clients:
                self._ask_client(clients)
                return

    def _messages(self) -> list[ModelMessage]:
        stored = list(self._request.history)
        parts: list[StoredPart] = list(self._request.user_frames)
        if self._request.transcript_id is not None:
            parts.append(TextPart(self._users_words(self._request.transcript_id)))
        if parts:
            stored.append(StoredMessage("user", tuple(parts)))
        started_at_ms = self._request.clock_started_at_ms
        filled = fill_in(stored, self._client, started_at_ms, wait_seconds=NEWEST_FRAME_WAIT_SECONDS)
        self._progress.pictures, self._progress.picture_bytes = filled.pictures, filled.picture_bytes
        return list(filled.messages)

    def _users_words(self, transcript_id: str) -> str:
        entry = self._transcripts.wait_for(transcript_id, WITH_WORDS, WORDS_TIMEOUT_SECONDS)
        if entry is None:
            raise RequestExpiredError("the user's words did not arrive on the transcripts stream")
        return entry.text

    def _one_round(self, messages: tuple[ModelMessage, ...], tools: tuple[ToolSpec, ...], options: ModelOptions) -> str:
        request = ModelRequest(self._request.system, messages, options, tools, self._labels)
        progress = self._progress
        progress.begin_round(request)
        stop_reason = "end_turn"
        with (
            tracing.span(f"chat {options.model}", is_call=True) as told,
            closing(self._model.stream(request)) as events,  # type: ignore[type-var]
        ):
            told.update(asked_attributes(self._model, request))
            for event in events:
                self._check_time()
                if isinstance(event, TextDelta):
                    self._take_text(event.text)
                elif isinstance(event, ToolUse) and tools:
                    progress.round_tools.append(self._tools.named_apart(event))
                elif isinstance(event, ModelFinished):
                    stop_reason = event.stop_reason
                    progress.end_round(event)
                    told.update(answered_attributes(event))
                if self._sentences.is_full:
                    return self._stop_politely()
        self._sentences.end_round()
        return stop_reason

    @property
    def _labels(self) -> tuple[tuple[str, str], ...]:
        asked = self._request
        named = ("session_id", asked.address.session_id), ("reply_id", asked.address.reply_id.partition(".")[0])
        return (*named, ("pictures", asked.pictures_told)) if asked.pictures_told else named

    def _stop_politely(self) -> str:
        """The answer is as long as a listener can bear: what the model would still write, or call, is not wanted."""
        self._progress.break_off()
        self._progress.round_tools = []
        return "max_tokens"

    def _take_text(self, text: str) -> None:
        if not self._progress.first_token_ms:
            self._progress.first_token_ms = self._elapsed_ms()
        self._progress.round_text.append(text)
        self._sentences.add(text)

    def _ask_client(self, uses: list[ToolUse]) -> None:
        """A round with a client's tool ends the reply: the client answers with items and asks for the next reply."""
        for use in uses:
            self._tools.hand_to_client(use)
        self._finish("tool_use")

    def _answer_tools(self, uses: list[ToolUse]) -> list[ModelMessage]:
        if not uses:
            return []
        self._wait_until_confirmed()
        asked: list[ModelPart] = []
        text = "".join(self._progress.round_text).strip()
        if text:
            asked.append(TextPart(text))
        asked += [ToolUsePart(use.tool_use_id, use.name, use.arguments) for use in uses]
        answered = [part for use in uses for part in self._tools.answer(use)]
        return [ModelMessage("assistant", tuple(asked)), ModelMessage("user", tuple(answered))]

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
        if stop_reason == "content_filtered":
            self._sentences.say_filtered()
        progress = self._progress
        metrics.count_answer(
            progress.model_id, stop_reason, progress.first_token_ms, progress.input_tokens, progress.output_tokens
        )
        self._emit(
            ReplyWritten(
                *self._ids,
                sentence_count=self._sentences.count,
                stop_reason=stop_reason,
                input_tokens=progress.input_tokens,
                output_tokens=progress.output_tokens,
                first_token_ms=progress.first_token_ms,
                model_id=progress.model_id,
                is_usage_estimated=progress.is_usage_estimated,
                cached_input_tokens=progress.cached_input_tokens,
                picture_tokens=progress.picture_tokens,
                pictures=progress.pictures,
                picture_bytes=progress.picture_bytes,
            )
        )

    def _tell_cost(self) -> None:
        """A reply that was cancelled has been paid for; when its entry cannot be written the cost stays unknown."""
        self._progress.break_off()
        if self._progress.input_tokens:
            with suppress(StreamsUnavailableError):
                self._finish("cancelled")
