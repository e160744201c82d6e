"""Judges a picture's file by its header before anything is decoded, and opens only what may be opened."""

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal

from PIL import Image

from workers.errors import PictureRejectedError
from workers.vision.picture_size import Size, webp_size

FileKind = Literal["JPEG", "PNG", "WEBP"]

MAX_SIDE_PX: Final = 8_000
MAX_PIXELS: Final = 20_000_000
MAX_SCANS: Final = 64
"""Of a progressive JPEG, each of which costs a decoder the whole picture; encoders write about ten."""
MAX_TEXT_BYTES: Final = 1024 * 1024
MAX_ANIMATION_FRAMES: Final = 1_000
_ORIENTATION_TAG: Final = 0x0112
# What Pillow's decoders are known to raise on hostile bytes; warnings are made errors.
_BROKEN: Final = (
    *(OSError, SyntaxError, ValueError, ArithmeticError, LookupError, EOFError, Warning),
    *(struct.error, zlib.error),
)
_KEPT_JPEG_SEGMENTS: Final = frozenset((0xC0, 0xC1, 0xC4, 0xDB, 0xDD))
_DROPPED_JPEG_SEGMENTS: Final = frozenset((*range(0xE0, 0xEE), 0xEF, 0xFE))


@dataclass(frozen=True, slots=True)
class Header:
    """`orientation` is EXIF's, 1 for upright; `mode` is Pillow's word for the kind of pixels."""

    kind: FileKind
    size: Size
    mode: str
    orientation: int


def read_header(image: bytes) -> Header:
    """Decodes no pixel. Raises PictureRejectedError."""
    with opened(image) as picture:
        orientation = picture.getexif().get(_ORIENTATION_TAG, 1)
        return Header(_kind(image), picture.size, picture.mode, orientation if isinstance(orientation, int) else 1)


@contextmanager
def opened(image: bytes) -> Iterator[Image.Image]:
    """The picture opened, its header judged, its pixels not yet decoded; decoding errors become ours."""
    kind = _kind(image)
    _judge_file(kind, image)
    with broken_is_rejected(kind), warnings.catch_warnings():
        warnings.simplefilter("error")
        with Image.open(io.BytesIO(image), formats=[kind]) as picture:
            _judge_size(picture.size)
            yield picture


@contextmanager
def broken_is_rejected(kind: FileKind) -> Iterator[None]:
    try:
        yield
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureRejectedError("the picture has too many pixels", code="image_too_large") from error
    except _BROKEN as error:
        raise PictureRejectedError(f"the {kind} picture is broken and cannot be decoded") from error


def without_metadata(image: bytes) -> bytes | None:
    """A baseline JPEG without application segments, comments and what follows its end; None for other kinds.

    Adobe's segment (0xEE) changes the meaning of the colours, so a picture with one is not for this way.
    """
    kept = [image[:2]]
    at = 2
    while len(header := image[at : at + 4]) == 4 and header[0] == 0xFF:
        marker, length = header[1], int.from_bytes(header[2:], "big")
        if marker == 0xDA:
            end = image.find(b"\xff\xd9", at)
            return b"".join((*kept, image[at : end + 2])) if end > 0 else None
        if marker in _KEPT_JPEG_SEGMENTS:
            kept.append(image[at : at + 2 + length])
        elif marker not in _DROPPED_JPEG_SEGMENTS:
            return None
        at += 2 + length
    return None


def _kind(image: bytes) -> FileKind:
    if image.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if image.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if image[:4] == b"RIFF" and image[8:12] == b"WEBP":
        return "WEBP"
    raise PictureRejectedError("the bytes are no JPEG, PNG or WebP picture")


def _judge_file(kind: FileKind, image: bytes) -> None:
    """What a decoder would spend on opening alone."""
    if kind == "JPEG" and image.count(b"\xff\xda") > MAX_SCANS:
        raise PictureRejectedError(f"the picture has more than {MAX_SCANS} scans", code="image_too_large")
    if kind == "PNG":
        _judge_png_text(image)
    if kind == "WEBP":
        _judge_webp_canvas(image)
        _judge_webp_frames(image)


def _judge_size(size: Size) -> None:
    width, height = size
    if max(size) > MAX_SIDE_PX or width * height > MAX_PIXELS:
        raise PictureRejectedError(
            f"the picture is {width}x{height}; at most {MAX_SIDE_PX} pixels a side and "
            f"{MAX_PIXELS // 1_000_000} million in all are taken",
            code="image_too_large",
        )


def _judge_png_text(image: bytes) -> None:
    """Text of a few packed kilobytes may unfold to gigabytes; a decoder unfolds it while it opens the file."""
    left = MAX_TEXT_BYTES
    for name, start, length in _png_chunks(image):
        if name in (b"tEXt", b"zTXt", b"iTXt", b"iCCP"):
            left -= length if name == b"tEXt" else _unfolded_bytes(image[start : start + length], left)
            if left < 0:
                raise PictureRejectedError("the picture carries too much text", code="image_too_large")


def _png_chunks(image: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and length of each chunk's body."""
    at = 8
    while at + 8 <= len(image):
        length, name = int.from_bytes(image[at : at + 4], "big"), image[at + 4 : at + 8]
        yield name, at + 8, length
        at += length + 12


def _unfolded_bytes(body: bytes, limit: int) -> int:
    """How many bytes the packed part of a text chunk has, counted to just over `limit`; as it is when not packed."""
    unpacker = zlib.decompressobj()
    for header in (body.find(b"\0") + 2, body.find(b"\0") + 3 + _names_length(body)):
        try:
            return max(len(body), len(unpacker.decompress(body[header:], limit + 1)))
        except zlib.error:
            unpacker = zlib.decompressobj()
    return len(body)


def _names_length(body: bytes) -> int:
    """Of the language and the translated keyword that stand before an iTXt chunk's text."""
    names = body[body.find(b"\0") + 3 :].split(b"\0", 2)[:2]
    return sum(len(name) + 1 for name in names)


def _judge_webp_canvas(image: bytes) -> None:
    """Pillow's decoder reserves the whole canvas as soon as it opens a WebP picture."""
    size = webp_size(image)
    if size is None:
        raise PictureRejectedError("the WebP picture has no known header")
    _judge_size(size)


def _judge_webp_frames(image: bytes) -> None:
    if image.count(b"ANMF") > MAX_ANIMATION_FRAMES:
        raise PictureRejectedError("the animation has too many pictures", code="image_too_large")
