"""What is seen of a reply on its way and belongs into its record: tools that ran, pictures shown, who made it."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sessions.live.thinking_meter import reply_of
from workers.language_model.contract import FramePart
from workers.streams.messages import OutputEntry, ReplyRequest, ReplyWritten, SpeechFinished, ToolCalled, ToolReturned

KEPT_REPLIES = 50
MAX_ARGUMENTS_BYTES = 8_192


@dataclass(slots=True)
class _Notes:
    attempts: int = 1
    model_id: str = ""
    engine: str = ""
    voice: str = ""
    frames: list[dict[str, Any]] = field(default_factory=list)
    tools: dict[str, dict[str, Any]] = field(default_factory=dict)


class ReplyNotes:
    """Of the newest 50 replies, speculative ones among them; `take_out` hands over those of one and forgets them."""

    def __init__(self, epoch_ms: Callable[[], int]) -> None:
        self._epoch_ms = epoch_ms
        self._by_reply: dict[str, _Notes] = {}

    def asked(self, request: ReplyRequest) -> None:
        work_id = request.address.reply_id
        reply_id, _, attempt = work_id.partition(".")
        notes = self._by_reply.setdefault(reply_id, _Notes())
        notes.attempts = int(attempt) + 1 if attempt.isdigit() else 1
        notes.model_id = request.options.model
        notes.voice = request.opening_voice.voice if request.opening_voice is not None else ""
        history = [part for message in request.history for part in message.parts if isinstance(part, FramePart)]
        notes.frames = [_frame(part, "history") for part in history]
        notes.frames += [_frame(part, "turn") for part in request.user_frames]
        while len(self._by_reply) > KEPT_REPLIES:
            del self._by_reply[next(iter(self._by_reply))]

    def take(self, entry: OutputEntry) -> None:
        notes = self._by_reply.get(reply_of(entry.reply_id))
        if notes is None:
            return
        match entry:
            case ReplyWritten() if entry.model_id:
                notes.model_id = entry.model_id
            case SpeechFinished() if entry.engine:
                notes.engine = entry.engine
            case ToolCalled():
                notes.tools[entry.tool_use_id] = _tool(entry, len(notes.tools), self._epoch_ms())
            case ToolReturned() if entry.tool_use_id in notes.tools:
                call = notes.tools[entry.tool_use_id]
                call["is_error"], call["result_bytes"] = entry.is_error, len(entry.content.encode())
                call["lasted_ms"] = self._epoch_ms() - int(call["called_at"] * 1_000)

    def take_out(self, reply_id: str) -> dict[str, Any]:
        notes = self._by_reply.pop(reply_id, _Notes())
        made_by = {"model_id": notes.model_id, "engine": notes.engine, "voice": notes.voice, "attempts": notes.attempts}
        return {**made_by, "tools": list(notes.tools.values()), "frames": notes.frames}


def _frame(part: FramePart, place: str) -> dict[str, Any]:
    return {"key": part.key, "source": part.source, "captured_at_ms": part.captured_at_ms, "place": place}


def _tool(entry: ToolCalled, number: int, at_ms: int) -> dict[str, Any]:
    arguments: dict[str, Any] = entry.arguments
    text = json.dumps(arguments, ensure_ascii=False)
    if len(text.encode()) > MAX_ARGUMENTS_BYTES:
        arguments = {"cut": text.encode()[:MAX_ARGUMENTS_BYTES].decode(errors="ignore")}
    return {
        "number": number,
        "tool_use_id": entry.tool_use_id,
        "name": entry.name,
        "arguments": arguments,
        "runs_at": entry.runs_at,
        "called_at": at_ms / 1_000,
    }
