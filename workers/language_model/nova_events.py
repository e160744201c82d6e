"""Reads the events of one ConverseStream answer into model events; no network, one object an answer."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import structlog

from workers.errors import ContextFullError, MalformedOutputError, ProviderUnavailableError
from workers.language_model.contract import (
    ModelEvent,
    ModelFinished,
    ModelUsage,
    StopReason,
    TextDelta,
    ToolUse,
)
from workers.language_model.nova_tools import ToolNames
from workers.language_model.thinking_filter import ThinkingFilter
from workers.language_model.token_estimate import estimated_tokens

logger = structlog.get_logger(__name__)

STOP_REASONS: dict[str, StopReason] = {
    "end_turn": "end_turn",
    "tool_use": "tool_use",
    "max_tokens": "max_tokens",
    "stop_sequence": "stop_sequence",
    "content_filtered": "content_filtered",
    "guardrail_intervened": "content_filtered",
}
# What no entry can carry as UTF-8 and no database keeps.
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")


@dataclass(slots=True)
class _StartedTool:
    tool_use_id: str
    name: str
    arguments: str = ""


class NovaAnswer:
    """Feed it every event in order, then ask for the end. Events it does not know change nothing."""

    def __init__(self, tool_names: ToolNames, model_id: str = "") -> None:
        self._tool_names = tool_names
        self._model_id = model_id
        self._filter = ThinkingFilter()
        self._tools: dict[int, _StartedTool] = {}
        self._seen_tool_ids: set[str] = set()
        self._broken_tool: MalformedOutputError | None = None
        self._written: list[str] = []
        self._has_spoken = False
        self._stop_reason: str | None = None
        self._usage: ModelUsage | None = None

    @property
    def has_begun(self) -> bool:
        """Whether the model has written anything, thoughts included."""
        return bool(self._written or self._tools)

    @property
    def has_stopped(self) -> bool:
        return self._stop_reason is not None

    def feed(self, event: dict[str, Any]) -> Iterator[ModelEvent]:
        if "contentBlockDelta" in event:
            yield from self._delta(event["contentBlockDelta"])
        elif "contentBlockStart" in event:
            self._start(event["contentBlockStart"])
        elif "contentBlockStop" in event:
            yield from self._finish_tool(event["contentBlockStop"].get("contentBlockIndex", 0))
        elif "messageStop" in event:
            self._stop_reason = self._stop_reason or str(event["messageStop"].get("stopReason", "end_turn"))
        elif "metadata" in event:
            self._usage = _usage(event["metadata"].get("usage") or {}) or self._usage

    def end(self, input_tokens: int) -> Iterator[ModelEvent]:
        """The stream is over; `input_tokens` is the guess that stands in for a missing usage.

        Raises ProviderUnavailableError when the model had not said it was done, MalformedOutputError for a tool call
        that is no JSON object unless another one is good, ContextFullError when nothing could be written.
        """
        if self._stop_reason is None:
            raise ProviderUnavailableError("the model's stream ended before the model was done")
        for index in tuple(self._tools):
            yield from self._finish_tool(index)
        self._refuse_broken_tool()
        reason = self._mapped_reason(self._stop_reason)
        yield from self._heard(self._filter.flush())
        yield ModelFinished(reason, self._usage or self._estimated_usage(input_tokens), self._model_id)

    def _delta(self, block: dict[str, Any]) -> Iterator[ModelEvent]:
        delta = block.get("delta") or {}
        tool = self._tools.get(block.get("contentBlockIndex", 0))
        if isinstance(delta.get("text"), str):
            self._written.append(delta["text"])
            yield from self._heard(self._filter.feed(_UNSTORABLE.sub("", delta["text"])))
        elif isinstance(delta.get("toolUse"), dict) and tool is not None:
            arguments = str(delta["toolUse"].get("input", ""))
            tool.arguments += arguments
            self._written.append(arguments)

    def _heard(self, text: str) -> Iterator[TextDelta]:
        if text:
            self._has_spoken = self._has_spoken or bool(text.strip())
            yield TextDelta(text)

    def _start(self, block: dict[str, Any]) -> None:
        started = (block.get("start") or {}).get("toolUse")
        if isinstance(started, dict) and started.get("toolUseId") and started.get("name"):
            index = block.get("contentBlockIndex", 0)
            self._tools.setdefault(index, _StartedTool(started["toolUseId"], started["name"]))

    def _finish_tool(self, index: int) -> Iterator[ModelEvent]:
        tool = self._tools.pop(index, None)
        if tool is None or tool.tool_use_id in self._seen_tool_ids:
            return
        try:
            arguments = _arguments(tool.arguments)
        except MalformedOutputError as error:
            self._broken_tool = error
            return
        self._seen_tool_ids.add(tool.tool_use_id)
        yield ToolUse(tool.tool_use_id, self._tool_names.original(tool.name), arguments)

    def _refuse_broken_tool(self) -> None:
        if self._broken_tool is None:
            return
        if not self._seen_tool_ids:
            raise self._broken_tool
        logger.warning("model_tool_call_dropped", model_id=self._model_id, reason=self._broken_tool.text)

    def _mapped_reason(self, reason: str) -> StopReason:
        if reason.startswith("malformed_") and not self._seen_tool_ids:
            raise MalformedOutputError("the model's answer could not be read")
        if reason == "model_context_window_exceeded":
            if not self._has_spoken:
                raise ContextFullError("the conversation is longer than the model reads")
            return "max_tokens"
        if reason not in STOP_REASONS:
            logger.warning("model_stop_reason_unknown", model_id=self._model_id, stop_reason=reason)
        return STOP_REASONS.get(reason, "end_turn")

    def _estimated_usage(self, input_tokens: int) -> ModelUsage:
        return ModelUsage(input_tokens, estimated_tokens("".join(self._written)), is_estimated=True)


def _arguments(text: str) -> dict[str, Any]:
    try:
        arguments = json.loads(text, parse_constant=_refuse_constant) if text.strip() else {}
        json.dumps(arguments, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise MalformedOutputError("the model called a tool with arguments that are no JSON") from error
    if not isinstance(arguments, dict):
        raise MalformedOutputError("the model called a tool with arguments that are no JSON object")
    return arguments


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _usage(usage: dict[str, Any]) -> ModelUsage | None:
    """None when the event holds no figure, so that an estimate takes its place."""
    if not usage.get("inputTokens") and not usage.get("outputTokens"):
        return None
    return ModelUsage(
        input_tokens=int(usage.get("inputTokens", 0)),
        output_tokens=int(usage.get("outputTokens", 0)),
        cached_input_tokens=int(usage.get("cacheReadInputTokens", 0)),
    )
