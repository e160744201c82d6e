"""What a client may ask of its session, by session.update or with client_secrets: typed; strict where a value is wrong."""

import math
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

AudioFormatName = Literal["audio/pcm", "audio/pcmu", "audio/pcma"]
G711_RATE_HZ = 8_000
DEFAULT_RATE_HZ = 24_000
_OLD_FORMAT_NAMES = {"pcm16": "audio/pcm", "g711_ulaw": "audio/pcmu", "g711_alaw": "audio/pcma"}


def _whole(value: Any) -> Any:
    """JavaScript clients send 1234.5 for a position; the part below a millisecond is dropped."""
    if isinstance(value, float) and math.isfinite(value):
        return int(value)
    return value


def _or_unlimited(value: Any) -> Any:
    return None if value == "inf" else value


Milliseconds = Annotated[Annotated[int, Field(ge=0, le=10**15)], BeforeValidator(_whole)]
OutputTokens = Annotated[Annotated[int, Field(ge=1, le=4_096)] | None, BeforeValidator(_or_unlimited)]
Modalities = Annotated[list[Literal["text", "audio"]], Field(min_length=1, max_length=2)]


class Part(BaseModel):
    """Strict in what it names, blind to what it does not."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class AudioFormat(Part):
    """`{"type": "audio/pcm", "rate": 24000}`, or the older name "pcm16" alone."""

    type: AudioFormatName | None = None
    rate: int | None = None

    @model_validator(mode="before")
    @classmethod
    def _accept_name(cls, value: Any) -> Any:
        return {"type": _OLD_FORMAT_NAMES.get(value, value)} if isinstance(value, str) else value

    @field_validator("rate")
    @classmethod
    def _is_speech_rate(cls, value: int | None) -> int | None:
        if value is not None and not 8_000 <= value <= 48_000:
            raise PydanticCustomError("invalid_value", "must be between 8000 and 48000")
        return value

    @property
    def name(self) -> AudioFormatName:
        return self.type or "audio/pcm"

    @property
    def rate_hz(self) -> int:
        return (self.rate or DEFAULT_RATE_HZ) if self.name == "audio/pcm" else G711_RATE_HZ


class TurnDetection(Part):
    type: Literal["server_vad", "semantic_vad", "none"] = "server_vad"
    threshold: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = None
    prefix_padding_ms: Annotated[Milliseconds, Field(le=10_000)] | None = None
    silence_duration_ms: Annotated[Milliseconds, Field(le=60_000)] | None = None
    idle_timeout_ms: Annotated[Milliseconds, Field(ge=1_000, le=3_600_000)] | None = None
    create_response: bool | None = None
    interrupt_response: bool | None = None
    eagerness: Literal["low", "medium", "high", "auto"] | None = None


class Transcription(Part):
    language: str | None = Field(default=None, max_length=35)


class AudioInput(Part):
    format: AudioFormat | None = None
    transcription: Transcription | None = None
    turn_detection: TurnDetection | None = None
    """None means push to talk when it was sent; look into `model_fields_set` to tell."""


class VoiceById(Part):
    id: str = Field(max_length=256)


class AudioOutput(Part):
    format: AudioFormat | None = None
    voice: Annotated[str, Field(max_length=256)] | VoiceById | None = None

    @property
    def voice_name(self) -> str | None:
        return self.voice.id if isinstance(self.voice, VoiceById) else self.voice


class Audio(Part):
    input: AudioInput | None = None
    output: AudioOutput | None = None


class FunctionTool(Part):
    type: Literal["function"] | None = None
    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    description: str | None = None
    parameters: dict[str, Any] | None = None


def _names_are_unique(tools: list[FunctionTool]) -> list[FunctionTool]:
    names: set[str] = set()
    for tool in tools:
        if tool.name in names:
            raise PydanticCustomError("duplicate_name", "two tools have the name {name}", {"name": tool.name})
        names.add(tool.name)
    return tools


Tools = Annotated[list[FunctionTool], Field(max_length=128), AfterValidator(_names_are_unique)]


class ToolChoiceFields(Part):
    """`"auto"`, `"none"` or `"required"` alone, or `{"type": "function", "name": ...}`."""

    type: Literal["auto", "none", "required", "function"]
    name: str | None = Field(default=None, max_length=64)

    @model_validator(mode="before")
    @classmethod
    def _accept_word(cls, value: Any) -> Any:
        return {"type": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _names_its_function(self) -> Self:
        if self.type == "function" and not self.name:
            raise PydanticCustomError("missing", "must name the function")
        return self


class SessionFields(Part):
    type: Literal["realtime"] | None = None
    instructions: str | None = None
    model: str | None = Field(default=None, max_length=256)
    output_modalities: Modalities | None = None
    audio: Audio | None = None
    tools: Tools | None = None
    tool_choice: ToolChoiceFields | None = None
    max_output_tokens: OutputTokens = None
    nova: dict[str, Any] | None = None


def dotted_name(location: tuple[int | str, ...]) -> str:
    """("session", "tools", 0, "name") as session.tools[0].name, without the names of union branches."""
    name = ""
    for part in location:
        if isinstance(part, int):
            name += f"[{part}]"
        elif part.isidentifier() and part.islower() and part not in _BRANCHES:
            name += f".{part}" if name else part
    return name


_BRANCHES = {"message", "function_call", "function_call_output", "item_reference", "str", "int", "float"}
