"""Width and height of a JPEG, PNG or WebP file from its header alone, without a picture library."""

import struct
from typing import Final

Size = tuple[int, int]

# Start of frame, of every coding but the differential ones nobody writes; C4, C8 and CC are other segments.
_JPEG_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_BARE_MARKERS: Final = frozenset((0x01, *range(0xD0, 0xD9)))
_LEAST_PNG_BYTES: Final = 24


def picture_size(image: bytes) -> Size | None:
    """None for other kinds and for headers that break off."""
    if image.startswith(b"\xff\xd8"):
        return _jpeg_size(image)
    if image.startswith(b"\x89PNG\r\n\x1a\n") and len(image) >= _LEAST_PNG_BYTES:
        width, height = struct.unpack_from(">II", image, 16)
        return width, height
    return webp_size(image) if image[:4] == b"RIFF" and image[8:12] == b"WEBP" else None


def webp_size(image: bytes) -> Size | None:
    chunk, body = image[12:16], image[20:30].ljust(10, b"\0")
    if chunk == b"VP8X":
        return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    if chunk == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if chunk == b"VP8 ":
        width, height = struct.unpack_from("<HH", body, 6)
        return width & 0x3FFF, height & 0x3FFF
    return None


def _jpeg_size(image: bytes) -> Size | None:
    at = 2
    while at + 9 <= len(image) and image[at] == 0xFF:
        marker = image[at + 1]
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", image, at + 5)
            return width, height
        if marker == 0xFF:
            at += 1
        elif marker in _JPEG_BARE_MARKERS:
            at += 2
        else:
            at += 2 + int.from_bytes(image[at + 2 : at + 4], "big")
    return None
