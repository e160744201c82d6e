"""Reads the events of one ConverseStream answer into model events; no network, one object an answer."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from workers.errors import ProviderError, ProviderUnavailableError
from workers.language_model.contract import (
    ModelEvent,
    ModelFinished,
    ModelUsage,
    StopReason,
    TextDelta,
    ToolUse,
)
from workers.language_model.nova_wire import ToolNames
from workers.language_model.thinking_filter import ThinkingFilter

STOP_REASONS: dict[str, StopReason] = {
    "end_turn": "end_turn",
    "tool_use": "tool_use",
    "max_tokens": "max_tokens",
    "stop_sequence": "stop_sequence",
    "content_filtered": "content_filtered",
    "guardrail_intervened": "content_filtered",
}
CHARACTERS_PER_TOKEN = 4


class MalformedOutputError(ProviderError):
    """The model wrote a tool call that cannot be read; asked again without tools it usually answers."""

    code = "model_malformed"


class ContextFullError(ProviderError):
    """The history is longer than the model reads; a shorter one may pass."""

    code = "model_context_full"


@dataclass(slots=True)
class _StartedTool:
    tool_use_id: str
    name: str
    arguments: str = ""


class NovaAnswer:
    """Feed it every event in order, then ask for the end."""

    def __init__(self, tool_names: ToolNames) -> None:
        self._tool_names = tool_names
        self._filter = ThinkingFilter()
        self._tools: dict[int, _StartedTool] = {}
        self._seen_tool_ids: set[str] = set()
        self._written_characters = 0
        self._stop_reason: str | None = None
        self._usage: ModelUsage | None = None

    @property
    def has_begun(self) -> bool:
        """Whether the model has written anything, thoughts included."""
        return self._written_characters > 0 or bool(self._tools)

    @property
    def has_stopped(self) -> bool:
        return self._stop_reason is not None

    def feed(self, event: dict[str, Any]) -> Iterator[ModelEvent]:
        """Raises MalformedOutputError for a tool call that is no JSON object."""
        if "contentBlockDelta" in event:
            yield from self._delta(event["contentBlockDelta"])
        elif "contentBlockStart" in event:
            self._start(event["contentBlockStart"])
        elif "contentBlockStop" in event:
            yield from self._finish_tool(event["contentBlockStop"].get("contentBlockIndex", 0))
        elif "messageStop" in event:
            self._stop_reason = str(event["messageStop"].get("stopReason", "end_turn"))
        elif "metadata" in event:
            self._usage = _usage(event["metadata"].get("usage", {}))

    def end(self, input_characters: int) -> Iterator[ModelEvent]:
        """The stream is over. Raises ProviderUnavailableError when the model had not said it was done."""
        if self._stop_reason is None:
            raise ProviderUnavailableError("the model's stream ended before the model was done")
        for index in tuple(self._tools):
            yield from self._finish_tool(index)
        yield from _text(self._filter.flush())
        reason = self._mapped_reason(self._stop_reason)
        yield ModelFinished(reason, self._usage or self._estimated_usage(input_characters))

    def _delta(self, block: dict[str, Any]) -> Iterator[ModelEvent]:
        delta = block.get("delta", {})
        tool = self._tools.get(block.get("contentBlockIndex", 0))
        if "text" in delta:
            self._written_characters += len(delta["text"])
            yield from _text(self._filter.feed(delta["text"]))
        elif "toolUse" in delta and tool is not None:
            tool.arguments += str(delta["toolUse"].get("input", ""))
            self._written_characters += len(str(delta["toolUse"].get("input", "")))

    def _start(self, block: dict[str, Any]) -> None:
        started = block.get("start", {}).get("toolUse")
        if started is not None:
            index = block.get("contentBlockIndex", 0)
            self._tools.setdefault(index, _StartedTool(started["toolUseId"], started["name"]))

    def _finish_tool(self, index: int) -> Iterator[ModelEvent]:
        tool = self._tools.pop(index, None)
        if tool is None or tool.tool_use_id in self._seen_tool_ids:
            return
        self._seen_tool_ids.add(tool.tool_use_id)
        yield ToolUse(tool.tool_use_id, self._tool_names.original(tool.name), _arguments(tool.arguments))

    def _mapped_reason(self, reason: str) -> StopReason:
        if reason.startswith("malformed_"):
            raise MalformedOutputError("the model's answer could not be read")
        if reason == "model_context_window_exceeded":
            raise ContextFullError("the conversation is longer than the model reads")
        return STOP_REASONS.get(reason, "end_turn")

    def _estimated_usage(self, input_characters: int) -> ModelUsage:
        return ModelUsage(
            input_tokens=max(1, input_characters // CHARACTERS_PER_TOKEN),
            output_tokens=max(1, self._written_characters // CHARACTERS_PER_TOKEN),
        )


def _text(text: str) -> Iterator[TextDelta]:
    if text:
        yield TextDelta(text)


def _arguments(text: str) -> dict[str, Any]:
    try:
        arguments = json.loads(text) if text.strip() else {}
    except ValueError as error:
        raise MalformedOutputError("the model called a tool with arguments that are no JSON") from error
    if not isinstance(arguments, dict):
        raise MalformedOutputError("the model called a tool with arguments that are no JSON object")
    return arguments


def _usage(usage: dict[str, Any]) -> ModelUsage:
    return ModelUsage(
        input_tokens=int(usage.get("inputTokens", 0)),
        output_tokens=int(usage.get("outputTokens", 0)),
        cached_input_tokens=int(usage.get("cacheReadInputTokens", 0)),
    )
