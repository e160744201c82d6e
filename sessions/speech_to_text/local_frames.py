"""How the web process and its recogniser process talk over pipes: framed messages; no I/O of its own."""

import json
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

HEADER: Final = struct.Struct("<BII")
MAX_PAYLOAD_BYTES: Final = 1 << 20
RATE_HZ: Final = 16_000


class FrameKind(IntEnum):
    CONFIGURE = 1
    OPEN = 2
    AUDIO = 3
    FINISH = 4
    CLOSE = 5
    READY = 16
    HEARD = 17
    FINISHED = 18
    DROPPED = 19


@dataclass(frozen=True, slots=True)
class Frame:
    """AUDIO carries PCM at 16 kHz, the other kinds JSON or nothing. Stream 0 is the process itself."""

    kind: FrameKind
    stream_id: int = 0
    payload: bytes = b""

    def pack(self) -> bytes:
        return HEADER.pack(self.kind, self.stream_id, len(self.payload)) + self.payload

    def json(self) -> Any:
        return json.loads(self.payload)


def json_frame(kind: FrameKind, stream_id: int, **fields: object) -> Frame:
    return Frame(kind, stream_id, json.dumps(fields).encode())


def unpack_header(header: bytes) -> tuple[FrameKind, int, int]:
    """Kind, stream and length of the payload; ValueError for what is no header of ours."""
    kind, stream_id, length = HEADER.unpack(header)
    if length > MAX_PAYLOAD_BYTES:
        raise ValueError(f"a frame of {length} bytes is too long")
    return FrameKind(kind), stream_id, length
