"""The contract of a language model provider: a typed request in, a stream of typed events out."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

PictureFormat = Literal["jpeg", "png", "webp"]
FrameSource = Literal["camera", "screen", "upload"]
StopReason = Literal["end_turn", "tool_use", "max_tokens", "stop_sequence", "content_filtered"]


@dataclass(frozen=True, slots=True)
class TextPart:
    text: str
    kind: Literal["text"] = "text"


@dataclass(frozen=True, slots=True)
class FrameCell:
    """What one cell of a mosaic shows."""

    source: FrameSource
    captured_at_ms: int


@dataclass(frozen=True, slots=True)
class FramePart:
    """A frame kept in Redis under `key`; the worker puts a PicturePart in its place, or drops it when it is gone.

    With `cells` it is a mosaic of them, oldest first; `source` and `captured_at_ms` are then those of the last cell.
    """

    key: str
    source: FrameSource
    captured_at_ms: int
    cells: tuple[FrameCell, ...] = ()
    kind: Literal["frame"] = "frame"


@dataclass(frozen=True, slots=True)
class ToolUsePart:
    tool_use_id: str
    name: str
    arguments: dict[str, Any]
    kind: Literal["tool_use"] = "tool_use"


@dataclass(frozen=True, slots=True)
class ToolResultPart:
    tool_use_id: str
    content: str
    is_error: bool = False
    kind: Literal["tool_result"] = "tool_result"


@dataclass(frozen=True, slots=True)
class PicturePart:
    """Picture bytes as a provider sees them; never serialised. `caption` goes right before it, in words."""

    data: bytes
    format: PictureFormat
    source: FrameSource
    captured_at_ms: int
    caption: str = ""
    kind: Literal["picture"] = "picture"


StoredPart = TextPart | FramePart | ToolUsePart | ToolResultPart
ModelPart = TextPart | PicturePart | ToolUsePart | ToolResultPart


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One message of the history as the web process writes it."""

    role: Literal["user", "assistant"]
    parts: tuple[StoredPart, ...]


@dataclass(frozen=True, slots=True)
class ModelMessage:
    """One message as a provider sees it. Roles alternate, the first is `user`, no text is blank."""

    role: Literal["user", "assistant"]
    parts: tuple[ModelPart, ...]


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A function offered to the model; `runs_at` says who executes it. `parameters` is a JSON schema object."""

    name: str
    description: str
    parameters: dict[str, Any]
    runs_at: Literal["worker", "client"] = "worker"


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """`model` is the provider's model id; `max_tokens` is always sent (an unset one reserves the model's maximum).

    `must_use_tool`: the answer has to be a call of one of the request's tools.
    """

    model: str
    max_tokens: int = 512
    temperature: float = 0.7
    top_p: float = 0.9
    top_k: int | None = None
    language: str = "en-US"
    must_use_tool: bool = False


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """`labels` stand beside the request in the account's own log of calls; the model does not see them."""

    system: str
    messages: tuple[ModelMessage, ...]
    options: ModelOptions
    tools: tuple[ToolSpec, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class TextDelta:
    text: str


@dataclass(frozen=True, slots=True)
class ToolUse:
    tool_use_id: str
    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ModelUsage:
    """`is_estimated`: the provider did not say, so the numbers are guesses from the length of the texts."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    is_estimated: bool = False


@dataclass(frozen=True, slots=True)
class ModelFinished:
    """`model_id` is the model that answered, which may be another than the one asked for; empty when it is that one."""

    stop_reason: StopReason
    usage: ModelUsage = field(default_factory=ModelUsage)
    model_id: str = ""


ModelEvent = TextDelta | ToolUse | ModelFinished


@runtime_checkable
class LanguageModel(Protocol):
    """Made once per worker process; `stream` is called from many greenlets at once."""

    def stream(self, request: ModelRequest) -> Iterator[ModelEvent]:
        """Yield events, ModelFinished last. Closing the iterator closes the outside call at once.

        Raises a ProviderError; text that a listener must not hear (`<thinking>`) is left out already.
        """
        ...
