"""Every event a client may send, as a typed model, and the way from a message to one; acts on none."""

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, from_json

from sessions.realtime import binary, limits
from sessions.realtime.client_fields import (
    EventId,
    ItemFields,
    ItemId,
    Payload,
    ResponseFields,
)
from sessions.session_fields import Milliseconds, Part, SessionFields, dotted_name
from workers.errors import BadInputError


class ClientEventBase(Part):
    event_id: EventId | None = None


class SessionUpdate(ClientEventBase):
    type: Literal["session.update"]
    session: SessionFields
    nova: dict[str, Any] | None = None


class InputAudioBufferAppend(ClientEventBase):
    type: Literal["input_audio_buffer.append"]
    audio: Payload = Field(repr=False)


class InputAudioBufferCommit(ClientEventBase):
    type: Literal["input_audio_buffer.commit"]


class InputAudioBufferClear(ClientEventBase):
    type: Literal["input_audio_buffer.clear"]


class InputVideoBufferAppend(ClientEventBase):
    type: Literal["input_video_buffer.append"]
    image: Payload = Field(repr=False)
    source: Literal["camera", "screen"] = "camera"
    captured_at_ms: Milliseconds | None = None


class OutputAudioBufferProgress(ClientEventBase):
    type: Literal["output_audio_buffer.progress"]
    item_id: ItemId
    content_index: int = 0
    audio_end_ms: Milliseconds


class OutputAudioBufferClear(ClientEventBase):
    type: Literal["output_audio_buffer.clear"]


class ConversationItemCreate(ClientEventBase):
    type: Literal["conversation.item.create"]
    item: ItemFields
    previous_item_id: ItemId | None = None


class ConversationItemRetrieve(ClientEventBase):
    type: Literal["conversation.item.retrieve"]
    item_id: ItemId


class ConversationItemTruncate(ClientEventBase):
    type: Literal["conversation.item.truncate"]
    item_id: ItemId
    content_index: Literal[0]
    audio_end_ms: Milliseconds


class ConversationItemDelete(ClientEventBase):
    type: Literal["conversation.item.delete"]
    item_id: ItemId


class ResponseCreate(ClientEventBase):
    type: Literal["response.create"]
    response: ResponseFields | None = None


class ResponseCancel(ClientEventBase):
    type: Literal["response.cancel"]
    response_id: str | None = Field(default=None, max_length=128)


ClientEvent = (
    SessionUpdate
    | InputAudioBufferAppend
    | InputAudioBufferCommit
    | InputAudioBufferClear
    | InputVideoBufferAppend
    | OutputAudioBufferProgress
    | OutputAudioBufferClear
    | ConversationItemCreate
    | ConversationItemRetrieve
    | ConversationItemTruncate
    | ConversationItemDelete
    | ResponseCreate
    | ResponseCancel
)
CLIENT_EVENTS: dict[str, type[ClientEventBase]] = {
    model.model_fields["type"].annotation.__args__[0]: model for model in ClientEvent.__args__
}
_ADAPTER: TypeAdapter[ClientEvent] = TypeAdapter(Annotated[ClientEvent, Field(discriminator="type")])

TEXT_LIMIT = 400
_CODES = {
    "missing": "missing_required_parameter",
    "union_tag_not_found": "missing_required_parameter",
    "invalid_base64": "invalid_base64",
}


class ClientEventError(BadInputError):
    """A message that is no event; `event_id` and `event_type` are what could be read of it."""

    def __init__(
        self,
        text: str,
        *,
        code: str,
        field: str | None = None,
        event_id: str | None = None,
        event_type: str = "",
    ) -> None:
        super().__init__(text, field=field, code=code)
        self.event_id = event_id
        self.event_type = event_type


def parse_text(message: str) -> ClientEvent:
    """Raises a ClientEventError."""
    size_bytes = message_size_bytes(message)
    _check_message_size(size_bytes)
    try:
        fields = from_json(message, allow_inf_nan=False)
    except (ValueError, TypeError):  # TypeError: a str that is no Unicode text
        raise ClientEventError("the message is not valid JSON", code="invalid_json") from None
    if not isinstance(fields, dict):
        raise ClientEventError("the message is not a JSON object", code="invalid_json")
    return _parse_fields(fields, size_bytes)


def parse_binary(message: bytes) -> ClientEvent:
    """One message of the subprotocol nova.binary. Raises a ClientEventError."""
    _check_message_size(len(message))
    try:
        fields, payload = binary.unpack(message)
    except BadInputError as error:
        raise ClientEventError(error.text, code=error.code) from None
    event_type = fields.get("type")
    payload_field = binary.PAYLOAD_FIELDS.get(event_type) if isinstance(event_type, str) else None
    if payload_field is None or event_type not in CLIENT_EVENTS:
        raise ClientEventError(
            "only input_audio_buffer.append and input_video_buffer.append travel as binary messages",
            code="invalid_frame",
            field="type",
            event_id=_event_id(fields),
        )
    return _parse_fields({**fields, payload_field: payload}, len(message))


def message_size_bytes(message: str) -> int:
    return len(message) if message.isascii() else len(message.encode("utf-8", "surrogatepass"))


def _check_message_size(size_bytes: int) -> None:
    if size_bytes > limits.MESSAGE_LIMIT_BYTES:
        raise ClientEventError(
            f"a message may hold {limits.MESSAGE_LIMIT_BYTES} bytes, not {size_bytes}",
            code="message_too_large",
        )


def _parse_fields(fields: dict[str, Any], size_bytes: int) -> ClientEvent:
    event_type = fields.get("type")
    if isinstance(event_type, str) and event_type in CLIENT_EVENTS:
        limit_bytes = limits.LIMIT_BYTES_BY_TYPE.get(event_type, limits.CONTROL_LIMIT_BYTES)
        if size_bytes > limit_bytes:
            raise ClientEventError(
                f"{event_type} may hold {limit_bytes} bytes, not {size_bytes}",
                code="message_too_large",
                event_id=_event_id(fields),
                event_type=event_type,
            )
    try:
        return _ADAPTER.validate_python(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise _refusal(fields, first) from None


def _refusal(fields: dict[str, Any], error: ErrorDetails) -> ClientEventError:
    event_type = fields.get("type")
    if not isinstance(event_type, str) or event_type not in CLIENT_EVENTS:
        code = "invalid_value" if "type" in fields else "missing_required_parameter"
        shown = repr(event_type)[:80] if "type" in fields else "no type"
        known = ", ".join(CLIENT_EVENTS)
        return ClientEventError(
            f"unknown event ({shown}); known are: {known}",
            code=code,
            field="type",
            event_id=_event_id(fields),
        )
    field = dotted_name(error["loc"][1:])
    if error["type"].startswith("union_tag"):
        field += ".type"
    return ClientEventError(
        f"{event_type}: {field}: {error['msg']}"[:TEXT_LIMIT],
        code=_code(error["type"]),
        field=field,
        event_id=_event_id(fields),
        event_type=event_type,
    )


def _code(error_type: str) -> str:
    return _CODES.get(error_type) or ("invalid_type" if error_type.endswith("_type") else "invalid_value")


def _event_id(fields: dict[str, Any]) -> str | None:
    event_id = fields.get("event_id")
    return event_id[:512] if isinstance(event_id, str) else None
