"""The pictures of journeys: scenes that can be told apart by their light, and files that are none."""

import io
import struct
import zlib

from PIL import Image

SIZE = (320, 240)


def scene(light: int) -> bytes:
    """A JPEG of one grey, 0 to 255."""
    written = io.BytesIO()
    Image.new("RGB", SIZE, (light, light, light)).save(written, "JPEG", quality=80)
    return written.getvalue()


def light_of(picture: bytes) -> int:
    with Image.open(io.BytesIO(picture)) as opened:
        pixel = opened.convert("L").resize((1, 1)).getpixel((0, 0))
    assert isinstance(pixel, int)
    return pixel


def bomb() -> bytes:
    """A PNG of a few kilobytes that unfolds to 900 million pixels."""
    side = 30_000
    row = zlib.compress(bytes(side // 8 + 1) * 64, 9)
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", row) + _chunk(b"IEND", b"")


def broken_jpeg() -> bytes:
    """It begins as a JPEG does and is nothing else."""
    return b"\xff\xd8\xff\xe0" + b"no picture at all " * 40


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
