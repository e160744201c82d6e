"""Conversation items between the wire and the live session, both ways; knows no event and keeps nothing."""

import base64
import binascii
import re
import uuid
from typing import Any

from sessions.live.items import Content, FunctionCallItem, FunctionOutputItem, Item, MessageItem
from sessions.realtime.client_fields import (
    FunctionCallFields,
    FunctionOutputFields,
    ItemContent,
    MessageFields,
)
from workers.errors import BadInputError

Wire = dict[str, Any]
_DATA_URI = re.compile(r"data:image/(?:jpeg|jpg|png|webp);base64,")
_ALLOWED_CONTENT = {
    "user": {"input_text", "input_audio", "input_image"},
    "assistant": {"output_text", "output_audio", "text", "audio"},
    "system": {"input_text", "text"},
}


def item_to_wire(item: Item) -> Wire:
    common = {"id": item.item_id, "object": "realtime.item", "status": item.status}
    if isinstance(item, FunctionCallItem):
        call = {"call_id": item.call_id, "name": item.name, "arguments": item.arguments}
        return {**common, "type": "function_call", **call}
    if isinstance(item, FunctionOutputItem):
        return {**common, "type": "function_call_output", "call_id": item.call_id, "output": item.output}
    content = [_content_to_wire(part) for part in item.content]
    return {**common, "type": "message", "role": item.role, "content": content}


def _content_to_wire(content: Content) -> Wire:
    """A picture's bytes are not sent back; a transcript not known yet is null."""
    if content.kind == "input_image":
        return {"type": "input_image"}
    if content.kind == "input_audio":
        return {"type": "input_audio", "transcript": content.text or None}
    if content.kind == "output_audio":
        return {"type": "output_audio", "transcript": content.text}
    return {"type": content.kind, "text": content.text}


def new_item_id() -> str:
    return f"item_{uuid.uuid4().hex[:24]}"


def item_from_client(
    fields: MessageFields | FunctionCallFields | FunctionOutputFields, place: str
) -> tuple[Item, tuple[bytes, ...]]:
    """The item and the bytes of its pictures, in order. `place` is the item's dotted name, for errors."""
    item_id = fields.id or new_item_id()
    if isinstance(fields, FunctionCallFields):
        return FunctionCallItem(item_id, fields.call_id or item_id, fields.name, fields.arguments), ()
    if isinstance(fields, FunctionOutputFields):
        return FunctionOutputItem(item_id, fields.call_id, fields.output), ()
    contents: list[Content] = []
    pictures: list[bytes] = []
    for index, part in enumerate(fields.content):
        part_place = f"{place}.content[{index}]"
        if part.type not in _ALLOWED_CONTENT[fields.role]:
            raise BadInputError(
                f"a {fields.role} message holds no {part.type}",
                field=f"{part_place}.type",
                code="invalid_value",
            )
        contents.append(_content_from_client(part, part_place))
        if part.type == "input_image":
            pictures.append(picture_from_data_uri(part.image_url or "", f"{part_place}.image_url"))
    if not contents:
        raise BadInputError("a message holds at least one content", field=f"{place}.content", code="invalid_value")
    return MessageItem(item_id, fields.role, tuple(contents)), tuple(pictures)


def _content_from_client(part: ItemContent, place: str) -> Content:
    if part.type == "input_image":
        return Content("input_image")
    if part.type == "input_text":
        return Content("input_text", _required(part.text, f"{place}.text"))
    if part.type in ("output_text", "text"):
        return Content("output_text", _required(part.text, f"{place}.text"))
    if part.type in ("output_audio", "audio"):
        return Content("output_audio", _required(part.transcript, f"{place}.transcript"))
    if part.transcript is None:
        raise BadInputError(
            "audio inside an item needs its transcript; send sound by input_audio_buffer.append",
            field=f"{place}.transcript",
            code="unsupported_content",
        )
    return Content("input_audio", part.transcript)


def _required(text: str | None, place: str) -> str:
    if text is None:
        raise BadInputError("is required", field=place, code="missing_required_parameter")
    return text


def picture_from_data_uri(uri: str, place: str) -> bytes:
    """Only data URIs: an address would let a client make this server fetch what it likes."""
    match = _DATA_URI.match(uri)
    if match is None:
        raise BadInputError(
            "must be a data URI of a JPEG, PNG or WebP in base64", field=place, code="invalid_image_url"
        )
    try:
        data = base64.b64decode(uri[match.end() :], validate=True)
    except (binascii.Error, ValueError):
        raise BadInputError("is not base64", field=place, code="invalid_base64") from None
    check_is_picture(data, place)
    return data


def check_is_picture(data: bytes, place: str) -> None:
    """By its first bytes only; a worker decodes, measures and may refuse it still."""
    is_webp = data[:4] == b"RIFF" and data[8:12] == b"WEBP"
    if not (is_webp or data.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"))):
        raise BadInputError("is no JPEG, PNG or WebP picture", field=place, code="image_rejected")
