"""The framing of the subprotocol nova.binary: base64 fields travel as raw bytes; acts on no event."""

import json
from typing import Any

from pydantic_core import from_json

from workers.errors import BadInputError

HEADER_LENGTH_BYTES = 2
PAYLOAD_FIELDS = {
    "input_audio_buffer.append": "audio",
    "input_video_buffer.append": "image",
    "response.output_audio.delta": "delta",
}


def pack(event: dict[str, Any], payload: bytes) -> bytes:
    """u16 big-endian length of the header, the event without its payload field as JSON, the payload."""
    header = json.dumps(event, separators=(",", ":")).encode()
    return len(header).to_bytes(HEADER_LENGTH_BYTES, "big") + header + payload


def unpack(message: bytes) -> tuple[dict[str, Any], bytes]:
    if len(message) < HEADER_LENGTH_BYTES:
        raise BadInputError("a binary message is shorter than its header length", code="invalid_frame")
    payload_start = HEADER_LENGTH_BYTES + int.from_bytes(message[:HEADER_LENGTH_BYTES], "big")
    if payload_start > len(message):
        raise BadInputError("a binary message ends inside its header", code="invalid_frame")
    try:
        header = from_json(message[HEADER_LENGTH_BYTES:payload_start], allow_inf_nan=False)
    except ValueError:
        raise BadInputError("the header of a binary message is not JSON", code="invalid_json") from None
    if not isinstance(header, dict):
        raise BadInputError("the header of a binary message is not a JSON object", code="invalid_json")
    return header, message[payload_start:]
