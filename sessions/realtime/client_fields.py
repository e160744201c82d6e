"""What client events are made of: tolerant where real clients need it, strict where a value is wrong."""

import base64
import binascii
import math
from typing import Annotated, Any, Literal

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


def _payload(value: Any) -> Any:
    """Base64 of a text message to bytes; the bytes of a binary message pass."""
    if not isinstance(value, str):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise PydanticCustomError("invalid_base64", "is not base64") from None


def _or_unlimited(value: Any) -> Any:
    return None if value == "inf" else value


Milliseconds = Annotated[Annotated[int, Field(ge=0, le=10**15)], BeforeValidator(_whole)]
Payload = Annotated[bytes, BeforeValidator(_payload)]
ItemId = Annotated[str, Field(min_length=1, max_length=128)]
EventId = Annotated[str, Field(max_length=512)]
OutputTokens = Annotated[Annotated[int, Field(ge=1, le=4_096)] | None, BeforeValidator(_or_unlimited)]
Modalities = Annotated[list[Literal["text", "audio"]], Field(min_length=1, max_length=2)]
Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]], Field(max_length=16)
]


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


class SessionFields(Part):
    type: Literal["realtime"] | None = None
    instructions: str | None = None
    model: str | None = Field(default=None, max_length=256)
    output_modalities: Modalities | None = None
    audio: Audio | None = None
    tools: Tools | None = None
    max_output_tokens: OutputTokens = None
    nova: dict[str, Any] | None = None


class ItemContent(Part):
    """`text` is the name older clients use for output_text, `audio` for output_audio."""

    type: Literal["input_text", "input_audio", "input_image", "output_text", "output_audio", "text", "audio"]
    text: str | None = None
    transcript: str | None = None
    image_url: str | None = None


class MessageFields(Part):
    type: Literal["message"]
    id: ItemId | None = None
    role: Literal["user", "assistant", "system"]
    content: list[ItemContent] = Field(max_length=32)


class FunctionCallFields(Part):
    type: Literal["function_call"]
    id: ItemId | None = None
    call_id: ItemId | None = None
    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    arguments: str


class FunctionOutputFields(Part):
    type: Literal["function_call_output"]
    id: ItemId | None = None
    call_id: ItemId
    output: str


class ItemReference(Part):
    type: Literal["item_reference"]
    id: ItemId


ItemFields = Annotated[
    MessageFields | FunctionCallFields | FunctionOutputFields,
    Field(discriminator="type"),
]
ResponseInput = Annotated[
    MessageFields | FunctionCallFields | FunctionOutputFields | ItemReference,
    Field(discriminator="type"),
]


class ResponseFields(Part):
    instructions: str | None = None
    output_modalities: Modalities | None = None
    tools: Tools | None = None
    tool_choice: Any = None
    max_output_tokens: OutputTokens = None
    metadata: Metadata | None = None
    conversation: str | None = Field(default=None, max_length=128)
    input: Annotated[list[ResponseInput], Field(max_length=128)] | None = None
