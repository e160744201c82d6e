"""What client events are made of: tolerant where real clients need it, strict where a value is wrong."""

import base64
import binascii
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from sessions.session_fields import Modalities, OutputTokens, Part, ToolChoiceFields, Tools


def _payload(value: Any) -> Any:
    """Base64 of a text message to bytes; the bytes of a binary message pass."""
    if not isinstance(value, str):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise PydanticCustomError("invalid_base64", "is not base64") from None


Payload = Annotated[bytes, BeforeValidator(_payload)]
ItemId = Annotated[str, Field(min_length=1, max_length=128)]
EventId = Annotated[str, Field(max_length=512)]
Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]], Field(max_length=16)
]


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
    tool_choice: ToolChoiceFields | None = None
    max_output_tokens: OutputTokens = None
    metadata: Metadata | None = None
    conversation: str | None = Field(default=None, max_length=128)
    input: Annotated[list[ResponseInput], Field(max_length=128)] | None = None
