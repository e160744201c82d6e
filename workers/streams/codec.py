"""Messages to and from the fields of a Redis stream entry: JSON in `body`, raw speech in `data`, nothing else."""

import dataclasses
import json
from typing import Any, TypeVar

from pydantic import TypeAdapter

from workers.streams.messages import (
    AnyControl,
    AnyOutput,
    AnyVisionRequest,
    FrameRequest,
    InterruptEntry,
    MosaicRequest,
    OutputEntry,
    ReplyRequest,
    SpeechMade,
    SpeechRequest,
    TranscriptEntry,
)

Message = TypeVar("Message")
Fields = dict[bytes, bytes]
EntryFields = dict[Any, Any]
"""As redis-py wants to be given them; it names every type it takes."""

_OUTPUT: TypeAdapter[Any] = TypeAdapter(AnyOutput)
_CONTROL: TypeAdapter[Any] = TypeAdapter(AnyControl)
_VISION: TypeAdapter[Any] = TypeAdapter(AnyVisionRequest)
_ADAPTERS: dict[type, TypeAdapter[Any]] = {
    message_type: TypeAdapter(message_type)
    for message_type in (ReplyRequest, SpeechRequest, FrameRequest, MosaicRequest, TranscriptEntry, InterruptEntry)
}


def to_json(message: object) -> bytes:
    """JSON of a request, transcript or interrupt."""
    return _ADAPTERS[type(message)].dump_json(message)


def from_json(message_type: type[Message], body: bytes) -> Message:
    """Unknown fields are ignored, so that an older side reads a newer one's messages."""
    message: Message = _ADAPTERS[message_type].validate_json(body)
    return message


def vision_request_from_json(body: bytes) -> FrameRequest | MosaicRequest:
    request: FrameRequest | MosaicRequest = _VISION.validate_json(body)
    return request


def entry_fields(message: TranscriptEntry | InterruptEntry) -> EntryFields:
    return {b"body": to_json(message)}


def output_fields(entry: OutputEntry) -> EntryFields:
    if isinstance(entry, SpeechMade):
        header = dataclasses.replace(entry, pcm=b"")
        return {b"body": _OUTPUT.dump_json(header), b"data": entry.pcm}
    return {b"body": _OUTPUT.dump_json(entry)}


def output_from_fields(fields: Fields) -> OutputEntry:
    entry: OutputEntry = _OUTPUT.validate_json(fields[b"body"])
    if isinstance(entry, SpeechMade):
        return dataclasses.replace(entry, pcm=fields[b"data"])
    return entry


def control_fields(message: object) -> EntryFields:
    return {b"body": _CONTROL.dump_json(message)}


def control_from_fields(fields: Fields) -> object:
    message: object = _CONTROL.validate_json(fields[b"body"])
    return message


def json_object(text: str) -> dict[str, Any]:
    """A tool's arguments as an object; anything else is kept under `value`, so that nothing is lost."""
    try:
        value = json.loads(text or "{}")
    except ValueError:
        value = text
    return value if isinstance(value, dict) else {"value": value}
