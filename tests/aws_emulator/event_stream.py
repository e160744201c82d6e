"""Owns the bytes of AWS event-stream messages, both ways; knows nothing of services or sockets."""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zlib import crc32

HeaderValue = bool | int | bytes | str | datetime | UUID

_PRELUDE = struct.Struct("!III")
_PRELUDE_BYTES = 12
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_FRAME_OVERHEAD_BYTES = 16
_MAX_HEADERS_BYTES = 128 * 1024
_MAX_MESSAGE_BYTES = 16 * 1024 * 1024 + _MAX_HEADERS_BYTES
_FIXED_TYPES = {2: "!b", 3: "!h", 4: "!i", 5: "!q"}


class EventStreamError(ValueError):
    """The peer's bytes are no valid event-stream message."""


@dataclass(frozen=True)
class Message:
    headers: dict[str, HeaderValue]
    payload: bytes
    raw: bytes = field(repr=False, default=b"")


def encode(headers: Mapping[str, HeaderValue], payload: bytes) -> bytes:
    block = encode_headers(headers)
    total_bytes = len(block) + len(payload) + _FRAME_OVERHEAD_BYTES
    prelude = struct.pack("!II", total_bytes, len(block))
    head = prelude + struct.pack("!I", crc32(prelude)) + block + payload
    return head + struct.pack("!I", crc32(head))


def encode_headers(headers: Mapping[str, HeaderValue]) -> bytes:
    return b"".join(_encode_header(name, value) for name, value in headers.items())


def encode_event(event_type: str, payload: bytes) -> bytes:
    return encode({":event-type": event_type, ":content-type": "application/json", ":message-type": "event"}, payload)


def encode_exception(exception_type: str, payload: bytes) -> bytes:
    return encode(
        {
            ":exception-type": exception_type,
            ":content-type": "application/json",
            ":message-type": "exception",
        },
        payload,
    )


def with_wrong_checksum(message: bytes) -> bytes:
    return message[:-1] + bytes([message[-1] ^ 0xFF])


class Decoder:
    """Cuts a byte stream into messages; raises EventStreamError and is then of no further use."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        self._buffer += data
        while (message := self._next()) is not None:
            yield message

    @property
    def pending_bytes(self) -> int:
        return len(self._buffer)

    def _next(self) -> Message | None:
        if len(self._buffer) < _PRELUDE_BYTES:
            return None
        total_bytes, headers_bytes, prelude_crc = _PRELUDE.unpack_from(self._buffer)
        if crc32(self._buffer[:8]) != prelude_crc:
            raise EventStreamError("Prelude checksum mismatch")
        if total_bytes > _MAX_MESSAGE_BYTES or headers_bytes > _MAX_HEADERS_BYTES:
            raise EventStreamError("Message is too long")
        if total_bytes < headers_bytes + _FRAME_OVERHEAD_BYTES:
            raise EventStreamError("Message lengths contradict each other")
        if len(self._buffer) < total_bytes:
            return None
        raw = bytes(self._buffer[:total_bytes])
        del self._buffer[:total_bytes]
        return _decode_message(raw, headers_bytes)


def decode_one(data: bytes) -> Message:
    decoder = Decoder()
    messages = list(decoder.feed(data))
    if len(messages) != 1 or decoder.pending_bytes:
        raise EventStreamError(f"Expected one whole message, found {len(messages)}")
    return messages[0]


def _decode_message(raw: bytes, headers_bytes: int) -> Message:
    (message_crc,) = struct.unpack("!I", raw[-4:])
    if crc32(raw[:-4]) != message_crc:
        raise EventStreamError("Message checksum mismatch")
    headers_end = _PRELUDE_BYTES + headers_bytes
    try:
        headers = _decode_headers(raw[_PRELUDE_BYTES:headers_end])
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise EventStreamError(f"Malformed headers: {error}") from error
    return Message(headers, raw[headers_end:-4], raw)


def _decode_headers(block: bytes) -> dict[str, HeaderValue]:
    headers: dict[str, HeaderValue] = {}
    at = 0
    while at < len(block):
        name_end = at + 1 + block[at]
        name = block[at + 1 : name_end].decode()
        if name in headers:
            raise EventStreamError(f"Header {name} is given twice")
        value, at = _decode_value(block, name_end + 1, block[name_end])
        headers[name] = value
    return headers


def _decode_value(block: bytes, at: int, kind: int) -> tuple[HeaderValue, int]:
    if kind in (0, 1):
        return kind == 0, at
    if kind in _FIXED_TYPES:
        form = _FIXED_TYPES[kind]
        return int(struct.unpack_from(form, block, at)[0]), at + struct.calcsize(form)
    if kind in (6, 7):
        (length,) = struct.unpack_from("!H", block, at)
        end = at + 2 + length
        if end > len(block):
            raise EventStreamError("A header value runs past the headers")
        value = block[at + 2 : end]
        return (value if kind == 6 else value.decode()), end
    if kind == 8:
        (milliseconds,) = struct.unpack_from("!q", block, at)
        return _timestamp(milliseconds), at + 8
    if kind == 9:
        return UUID(bytes=block[at : at + 16]), at + 16
    raise EventStreamError(f"Unknown header type {kind}")


def _timestamp(milliseconds: int) -> datetime:
    try:
        return _EPOCH + milliseconds * _MILLISECOND
    except OverflowError as error:
        raise EventStreamError(f"Timestamp {milliseconds} is out of range") from error


def _encode_header(name: str, value: HeaderValue) -> bytes:
    name_bytes = name.encode()
    return bytes([len(name_bytes)]) + name_bytes + _encode_value(value)


def _encode_value(value: HeaderValue) -> bytes:
    if isinstance(value, bool):
        return b"\x00" if value else b"\x01"
    if isinstance(value, int):
        return b"\x04" + struct.pack("!i", value)
    if isinstance(value, bytes):
        return b"\x06" + struct.pack("!H", len(value)) + value
    if isinstance(value, str):
        text = value.encode()
        return b"\x07" + struct.pack("!H", len(text)) + text
    if isinstance(value, datetime):
        return b"\x08" + struct.pack("!q", (value - _EPOCH) // _MILLISECOND)
    return b"\x09" + value.bytes
