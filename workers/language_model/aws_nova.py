"""Amazon Nova by Bedrock's ConverseStream: opens, keeps time limits, recovers before the first token."""

import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

import botocore.exceptions
import structlog
import urllib3.exceptions

from workers import metrics
from workers.aws_clients import (
    error_code,
    error_message,
    limit_next_read,
    make_client,
    provider_errors,
    rehearse_call,
    retry_before_first,
)
from workers.errors import (
    ContextFullError,
    FirstTokenLateError,
    MalformedOutputError,
    ModelStalledError,
    ModelUnavailableError,
    ProviderError,
    ProviderThrottledError,
    ProviderTimeoutError,
    ProviderUnavailableError,
)
from workers.language_model.contract import ModelEvent, ModelMessage, ModelOptions, ModelRequest, TextDelta, TextPart
from workers.language_model.legal_history import shortened
from workers.language_model.model_breaker import ModelBreaker
from workers.language_model.nova_events import NovaAnswer
from workers.language_model.nova_tools import ToolNames
from workers.language_model.nova_wire import converse_arguments
from workers.language_model.token_estimate import estimated_input_tokens
from workers.sentences import joint
from workers.settings import WorkerSettings

logger = structlog.get_logger(__name__)

_SERVICE = "Bedrock"
_READ_TIMEOUTS = (botocore.exceptions.ReadTimeoutError, urllib3.exceptions.ReadTimeoutError, TimeoutError)
_CONTEXT_FULL_WORDS = (
    "input is too long",
    "prompt is too long",
    "too many input tokens",
    "input tokens exceed",
    "context length",
    "context window",
)
_NO_MODEL_CODES = frozenset({"AccessDeniedException", "ResourceNotFoundException"})
_NO_MODEL_WORDS = ("model identifier is invalid", "on-demand throughput", "end of its life")
_ELSEWHERE = (ProviderThrottledError, ProviderUnavailableError, ProviderTimeoutError, ModelUnavailableError)
WITHOUT_TOOL: Final = "(The tool cannot be called now. Go on without it.)"
_REHEARSED: Final = ModelRequest(
    "", (ModelMessage("user", (TextPart("hello"),)),), ModelOptions("amazon.nova-lite-v1:0")
)


@dataclass(frozen=True, slots=True)
class NovaLimits:
    """How long is waited: for the first token, for each next event, for the whole answer, for the end of the body.

    After the model is done only its usage and the body's end are awaited, so that the connection is used again.
    """

    first_token_seconds: float = 8.0
    gap_seconds: float = 10.0
    answer_seconds: float = 45.0
    end_seconds: float = 1.0


class AwsNova:
    """One boto3 client for the process; each `stream` is one connection of its pool."""

    def __init__(self, settings: WorkerSettings, limits: NovaLimits | None = None) -> None:
        self._limits = limits or NovaLimits()
        self._fallback_model_id = settings.fallback_model_id
        self._breaker = ModelBreaker()
        self._client = make_client(
            "bedrock-runtime",
            settings.aws,
            endpoint_url=settings.aws.bedrock_endpoint_url,
            max_streams=settings.max_concurrent_streams,
            read_limit_seconds=self._limits.first_token_seconds,
        )

    def stream(self, request: ModelRequest) -> Iterator[ModelEvent]:
        """Another model is asked only while nothing was yielded and time for the first token is left."""
        deadline_at = time.monotonic() + self._limits.first_token_seconds
        fault: ProviderError = ModelUnavailableError("the model is given a rest after failing again and again")
        for number, asked in enumerate(self._by_model(request)):
            model_id, has_begun = asked.options.model, False
            if number:
                metrics.MODEL_FALL_BACKS.inc()
            if not self._breaker.allows(model_id, time.monotonic()):
                continue
            try:
                with closing(self._answer(asked, deadline_at)) as events:
                    for event in events:
                        if not has_begun:
                            self._breaker.succeeded(model_id)
                        has_begun = True
                        yield event
                return
            except ProviderError as error:
                if has_begun:
                    raise
                self._note_failure(model_id, error)
                if not isinstance(error, _ELSEWHERE) or time.monotonic() >= deadline_at:
                    raise
                fault = error
        raise fault

    def rehearse(self) -> None:
        rehearse_call(_SERVICE, self._client.converse_stream, converse_arguments(_REHEARSED))

    def _by_model(self, request: ModelRequest) -> list[ModelRequest]:
        """The request for each model that may answer it, the wanted one first."""
        wanted = request.options.model
        models = [wanted] if self._fallback_model_id in ("", wanted) else [wanted, self._fallback_model_id]
        return [replace(request, options=replace(request.options, model=model)) for model in models]

    def _note_failure(self, model_id: str, error: ProviderError) -> None:
        """Throttling opens a circuit only where another model can answer: else it would turn a slow minute into none."""
        is_alone = self._fallback_model_id in ("", model_id)
        if not isinstance(error, _ELSEWHERE) or (isinstance(error, ProviderThrottledError) and is_alone):
            return
        has_opened = self._breaker.failed(model_id, time.monotonic())
        metrics.MODEL_CIRCUITS_OPENED.inc(has_opened)
        log = logger.error if has_opened or isinstance(error, ModelUnavailableError) else logger.warning
        log("model_failed", model_id=model_id, code=error.code, circuit_opened=has_opened, text=error.text)

    def _answer(self, request: ModelRequest, deadline_at: float) -> Generator[ModelEvent]:
        """One model's answer; what another request may cure is asked once more, without what broke it."""
        said = ""
        try:
            with closing(self._attempts(request, deadline_at)) as events:
                for event in events:
                    said += event.text if isinstance(event, TextDelta) else ""
                    yield event
            return
        except (MalformedOutputError, ContextFullError) as error:
            simpler = _simpler(request, error, said.strip())
            if simpler is None or (not said and time.monotonic() >= deadline_at):
                raise
            logger.warning("model_asked_again", model_id=request.options.model, code=error.code, text=error.text)
        if said.strip():
            yield from _gap_after(said)
            deadline_at = time.monotonic() + self._limits.first_token_seconds
        yield from self._attempts(simpler, deadline_at)

    def _attempts(self, request: ModelRequest, deadline_at: float) -> Generator[ModelEvent]:
        return retry_before_first(
            lambda: self._attempt(request, deadline_at), service=_SERVICE, deadline_at=deadline_at
        )

    def _attempt(self, request: ModelRequest, deadline_at: float) -> Iterator[ModelEvent]:
        answer = NovaAnswer(ToolNames.of(request.tools), request.options.model)
        clock = _AnswerClock(self._limits, answer, deadline_at)
        try:
            with provider_errors(_SERVICE), _nova_errors(), clock.named_timeouts():
                body = self._client.converse_stream(**converse_arguments(request))["stream"]
                with closing(body):
                    for event in clock.events(body):
                        yield from answer.feed(event)
        except ProviderError:
            if not answer.has_stopped:
                raise
        yield from answer.end(estimated_input_tokens(request))


class _AnswerClock:
    """Awaits each event no longer than its place in the answer allows. `deadline_at` is the first token's."""

    def __init__(self, limits: NovaLimits, answer: NovaAnswer, deadline_at: float) -> None:
        self._limits = limits
        self._answer = answer
        self._first_token_at = deadline_at
        self._ends_at = time.monotonic() + limits.answer_seconds

    def events(self, body: Any) -> Iterator[dict[str, Any]]:
        events = iter(body)
        while True:
            limit_next_read(body._raw_stream, self._seconds())
            event = next(events, None)
            if event is None:
                return
            yield event

    @contextmanager
    def named_timeouts(self) -> Iterator[None]:
        """A read that ran out of time is told by where the answer stood."""
        try:
            yield
        except _READ_TIMEOUTS as error:
            raise self._late() from error

    def _seconds(self) -> float:
        if self._answer.has_stopped:
            return self._limits.end_seconds
        now = time.monotonic()
        seconds_left = self._first_token_at - now
        if self._answer.has_begun:
            seconds_left = min(self._limits.gap_seconds, self._ends_at - now)
        if seconds_left <= 0:
            raise self._late()
        return seconds_left

    def _late(self) -> ProviderTimeoutError:
        if self._answer.has_begun:
            return ModelStalledError("the model fell silent in the middle of its answer")
        return FirstTokenLateError("the model wrote nothing in time")


@contextmanager
def _nova_errors() -> Iterator[None]:
    """Picks out the faults that another request or another model may cure, and whose fault it is."""
    try:
        yield
    except botocore.exceptions.ClientError as error:
        message = error_message(error).lower()
        if "tooluse" in message.replace(" ", ""):
            raise MalformedOutputError("the model wrote a tool call that cannot be read") from error
        if any(words in message for words in _CONTEXT_FULL_WORDS):
            raise ContextFullError("the conversation is longer than the model reads") from error
        if isinstance(error, botocore.exceptions.EventStreamError) and error_code(error) == "validationException":
            # The request had been accepted, so what is not valid is the model's own output.
            raise ProviderUnavailableError("the model's stream broke off as not valid") from error
        if error_code(error) in _NO_MODEL_CODES or any(words in message for words in _NO_MODEL_WORDS):
            raise ModelUnavailableError(f"the model cannot be used: {error_message(error)}") from error
        raise


def _simpler(request: ModelRequest, error: ProviderError, said: str) -> ModelRequest | None:
    """A request that avoids what failed and goes on after what was said, or None when there is none."""
    if isinstance(error, MalformedOutputError) and request.tools:
        spoken = ModelMessage("assistant", (TextPart(said),)), ModelMessage("user", (TextPart(WITHOUT_TOOL),))
        return replace(request, tools=(), messages=request.messages + (spoken if said else ()))
    if isinstance(error, ContextFullError) and len(request.messages) > 1 and not said:
        return replace(request, messages=shortened(request.messages))
    return None


def _gap_after(said: str) -> Iterator[TextDelta]:
    gap = joint(said)
    if gap:
        yield TextDelta(gap)
