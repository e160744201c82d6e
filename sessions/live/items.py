"""Conversation items: the shared vocabulary of history and protocol; immutable."""

from dataclasses import dataclass
from typing import Literal

ContentKind = Literal["input_text", "input_audio", "input_image", "output_text", "output_audio"]


@dataclass(frozen=True, slots=True)
class Content:
    """`text` is the text, or the transcript of audio. `frame_key` is set for a picture that a worker keeps or will."""

    kind: ContentKind
    text: str = ""
    frame_key: str = ""
    captured_at_ms: int = 0


@dataclass(frozen=True, slots=True)
class MessageItem:
    item_id: str
    role: Literal["user", "assistant", "system"]
    content: tuple[Content, ...]
    status: Literal["in_progress", "completed", "incomplete"] = "completed"


@dataclass(frozen=True, slots=True)
class FunctionCallItem:
    item_id: str
    call_id: str
    name: str
    arguments: str
    status: Literal["in_progress", "completed", "incomplete"] = "completed"


@dataclass(frozen=True, slots=True)
class FunctionOutputItem:
    item_id: str
    call_id: str
    output: str
    status: Literal["in_progress", "completed", "incomplete"] = "completed"


Item = MessageItem | FunctionCallItem | FunctionOutputItem
