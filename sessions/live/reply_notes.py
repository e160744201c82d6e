"""What is seen of a reply on its way and belongs into its record: tools that ran, pictures shown, who made it."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sessions.live.facts import VisionChanged
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
        notes = self._of(reply_id)
        notes.attempts = int(attempt) + 1 if attempt.isdigit() else 1
        notes.model_id = request.options.model
        notes.voice = request.opening_voice.voice if request.opening_voice is not None else ""
        history = [part for message in request.history for part in message.parts if isinstance(part, FramePart)]
        notes.frames = [_frame(part, "history") for part in history]
        notes.frames += [_frame(part, "turn") for part in request.user_frames]

    def saw(self, fact: VisionChanged) -> None:
        """Why each of the request's pictures was chosen."""
        reasons = {(frame.source, frame.captured_at_ms): frame.reason for frame in fact.frames}
        for frame in self._of(fact.reply_id or "").frames:
            if reason := reasons.get((frame["source"], frame["captured_at_ms"])):
                frame["reason"] = reason

    def take(self, entry: OutputEntry) -> None:
        match entry:
            case ReplyWritten() if entry.model_id:
                self._of(entry.reply_id).model_id = entry.model_id
            case SpeechFinished() if entry.engine:
                self._of(entry.reply_id).engine = entry.engine
            case ToolCalled():
                tools = self._of(entry.reply_id).tools
                tools[entry.tool_use_id] = _tool(entry, len(tools), self._epoch_ms())
            case ToolReturned():
                self._returned(entry)

    def _of(self, work_id: str) -> _Notes:
        """A fixed text, as a greeting, is asked of no model and has an engine all the same."""
        notes = self._by_reply.setdefault(reply_of(work_id), _Notes())
        while len(self._by_reply) > KEPT_REPLIES:
            del self._by_reply[next(iter(self._by_reply))]
        return notes

    def _returned(self, entry: ToolReturned) -> None:
        call = self._of(entry.reply_id).tools.get(entry.tool_use_id)
        if call is not None:
            call["is_error"], call["result_bytes"] = entry.is_error, len(entry.content.encode())
            call["lasted_ms"] = self._epoch_ms() - int(call["called_at"] * 1_000)

    def take_out(self, reply_id: str) -> dict[str, Any]:
        notes = self._by_reply.pop(reply_id, _Notes())
        made_by = {"model_id": notes.model_id, "engine": notes.engine, "voice": notes.voice, "attempts": notes.attempts}
        return {**made_by, "tools": list(notes.tools.values()), "frames": notes.frames}


def _frame(part: FramePart, place: str) -> dict[str, Any]:
    kind = "mosaic" if part.cells else "frame"
    return {
        "key": part.key,
        "kind": kind,
        "source": part.source,
        "captured_at_ms": part.captured_at_ms,
        "place": place,
    }


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
