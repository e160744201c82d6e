"""Amazon Nova by Bedrock's ConverseStream: opens, keeps time limits, recovers before the first token."""

import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any, Final

import botocore.exceptions

from workers.aws_clients import (
    error_message,
    limit_next_read,
    make_client,
    provider_errors,
    retry_before_first,
)
from workers.errors import ProviderError, ProviderTimeoutError
from workers.language_model.contract import ModelEvent, ModelRequest, TextPart, ToolResultPart
from workers.language_model.legal_history import shortened
from workers.language_model.nova_events import ContextFullError, MalformedOutputError, NovaAnswer
from workers.language_model.nova_wire import ToolNames, converse_arguments
from workers.settings import WorkerSettings

FIRST_TOKEN_LIMIT_SECONDS: Final = 8.0
GAP_LIMIT_SECONDS: Final = 10.0
# After the model is done only its usage and the body's end are awaited, so that the connection is used again.
END_LIMIT_SECONDS: Final = 1.0

_SERVICE = "Bedrock"
_CONTEXT_FULL_WORDS = ("input is too long", "too many input tokens", "context length", "maximum tokens")


class AwsNova:
    """One boto3 client for the process; each `stream` is one connection of its pool."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._client = make_client(
            "bedrock-runtime",
            settings.aws,
            endpoint_url=settings.aws.bedrock_endpoint_url,
            max_streams=settings.max_concurrent_streams,
            read_limit_seconds=FIRST_TOKEN_LIMIT_SECONDS,
        )

    def stream(self, request: ModelRequest) -> Iterator[ModelEvent]:
        """Retries, and the one simpler request, happen only while nothing was yielded and time is left."""
        deadline_at = time.monotonic() + FIRST_TOKEN_LIMIT_SECONDS
        has_spoken = False
        try:
            with closing(self._attempts(request, deadline_at)) as events:
                for event in events:
                    has_spoken = True
                    yield event
            return
        except (MalformedOutputError, ContextFullError) as error:
            simpler = _simpler(request, error)
            if has_spoken or simpler is None or time.monotonic() >= deadline_at:
                raise
        yield from self._attempts(simpler, deadline_at)

    def _attempts(self, request: ModelRequest, deadline_at: float) -> Generator[ModelEvent]:
        return retry_before_first(lambda: self._attempt(request, deadline_at), deadline_at=deadline_at)

    def _attempt(self, request: ModelRequest, deadline_at: float) -> Iterator[ModelEvent]:
        answer = NovaAnswer(ToolNames.of(request.tools))
        try:
            with provider_errors(_SERVICE), _nova_errors():
                body = self._client.converse_stream(**converse_arguments(request))["stream"]
                with closing(body):
                    for event in _events(body, answer, deadline_at):
                        yield from answer.feed(event)
        except ProviderError:
            if not answer.has_stopped:
                raise
        yield from answer.end(_length_in_characters(request))


def _events(body: Any, answer: NovaAnswer, deadline_at: float) -> Iterator[dict[str, Any]]:
    """The events of the body, each awaited no longer than its place in the answer allows."""
    events = iter(body)
    while True:
        limit_next_read(body._raw_stream, _limit_seconds(answer, deadline_at))
        event = next(events, None)
        if event is None:
            return
        yield event


def _limit_seconds(answer: NovaAnswer, deadline_at: float) -> float:
    if answer.has_stopped:
        return END_LIMIT_SECONDS
    if answer.has_begun:
        return GAP_LIMIT_SECONDS
    seconds_left = deadline_at - time.monotonic()
    if seconds_left <= 0:
        raise ProviderTimeoutError("the model wrote nothing in time")
    return seconds_left


@contextmanager
def _nova_errors() -> Iterator[None]:
    """Picks out the two faults that another request may cure."""
    try:
        yield
    except botocore.exceptions.ClientError as error:
        message = error_message(error).lower()
        if "tooluse" in message.replace(" ", ""):
            raise MalformedOutputError("the model wrote a tool call that cannot be read") from error
        if any(words in message for words in _CONTEXT_FULL_WORDS):
            raise ContextFullError("the conversation is longer than the model reads") from error
        raise


def _simpler(request: ModelRequest, error: ProviderError) -> ModelRequest | None:
    """A request that avoids what failed, or None when there is none."""
    if isinstance(error, MalformedOutputError) and request.tools:
        return replace(request, tools=())
    if isinstance(error, ContextFullError) and len(request.messages) > 1:
        return replace(request, messages=shortened(request.messages))
    return None


def _length_in_characters(request: ModelRequest) -> int:
    parts = [part for message in request.messages for part in message.parts]
    texts = [part.text for part in parts if isinstance(part, TextPart)]
    results = [part.content for part in parts if isinstance(part, ToolResultPart)]
    return len(request.system) + sum(map(len, texts + results))
