"""Makes a client's picture safe, small and comparable: pure functions on bytes; keeps nothing."""

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from workers.errors import PictureRejectedError
from workers.language_model.contract import PictureFormat

Purpose = Literal["camera", "screen", "upload"]
Size = tuple[int, int]

MAX_SIDE_PX: Final = 8_000
MAX_PIXELS: Final = 20_000_000
_QUALITY: Final[dict[Purpose, int]] = {"camera": 70, "screen": 80, "upload": 80}
_SUBSAMPLING: Final[dict[Purpose, str]] = {"camera": "4:2:0", "screen": "4:4:4", "upload": "4:2:0"}
_ORIENTATION_TAG: Final = 0x0112
_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_GRID: Final = (32, 18)
_ASPECT_HEX_DIGITS: Final = 4
_MAX_LIGHT_SHIFT: Final = 12
_MAX_MEAN_CHANGE: Final = 1.5
_MAX_CELL_CHANGE: Final = 8.0
# What Pillow's decoders are known to raise on hostile bytes; warnings are made errors.
_BROKEN: Final = (
    *(OSError, SyntaxError, ValueError, ArithmeticError, LookupError, EOFError, Warning),
    *(struct.error, zlib.error),
)
_ENOUGH_BYTES_PER_PIXEL: Final = 0.2
_KEPT_JPEG_SEGMENTS: Final = frozenset((0xC0, 0xC1, 0xC4, 0xDB, 0xDD))
_DROPPED_JPEG_SEGMENTS: Final = frozenset((*range(0xE0, 0xEE), 0xEF, 0xFE))


@dataclass(frozen=True, slots=True)
class KeptPicture:
    """Upright, without metadata."""

    data: bytes
    format: PictureFormat
    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True)
class Glance:
    """The whole picture's size, and RGB pixels of a reduced copy by row and column."""

    width_px: int
    height_px: int
    pixels: npt.NDArray[np.uint8]


def compress(image: bytes, *, max_side_px: int, purpose: Purpose) -> KeptPicture:
    """Shrink to `max_side_px` on the longer side, never enlarge. Raises PictureRejectedError.

    A plain upright JPEG that is small enough already keeps its pixels as they are and loses only metadata.
    """
    kept = _kept_as_it_is(image, max_side_px)
    if kept is not None:
        return kept
    with _decoding(image) as opened:
        turn = _TURNS.get(opened.getexif().get(_ORIENTATION_TAG, 1))
        size = _fit(opened.size, max_side_px)
        opened.draft("RGB", size)
        picture = _opaque(opened)
        if picture.size != size:
            picture = picture.resize(size, Image.Resampling.BILINEAR)
        if turn is not None:
            picture = picture.transpose(turn)
    written = io.BytesIO()
    picture.info = {}
    picture.save(written, "JPEG", quality=_QUALITY[purpose], subsampling=_SUBSAMPLING[purpose])
    return KeptPicture(written.getvalue(), "jpeg", picture.width, picture.height)


def signature(image: bytes) -> str:
    """The picture from afar, as hex: its proportions and a grid of grey. Raises PictureRejectedError."""
    with _decoding(image) as opened:
        width, height = opened.size
        opened.draft("L", (160, 90))
        grey = _opaque(opened).convert("L").resize(_GRID, Image.Resampling.BOX)
    proportion = min(0xFFFF, round(100 * width / height))
    return f"{proportion:0{_ASPECT_HEX_DIGITS}x}{grey.tobytes().hex()}"


def glance(image: bytes) -> Glance:
    """The picture in few pixels, for judging its colours. Raises PictureRejectedError."""
    with _decoding(image) as opened:
        width, height = opened.size
        opened.draft("RGB", (160, 160))
        small = _opaque(opened).convert("RGB").resize(_fit((width, height), 160), Image.Resampling.BOX)
    return Glance(width, height, np.asarray(small))


def is_near_identical(a: str, b: str) -> bool:
    """Whether two signatures show the same scene; a change of light of the whole picture is not a change."""
    if a[:_ASPECT_HEX_DIGITS] != b[:_ASPECT_HEX_DIGITS] or len(a) != len(b):
        return False
    change = _grid_of(a) - _grid_of(b)
    change -= np.clip(np.median(change), -_MAX_LIGHT_SHIFT, _MAX_LIGHT_SHIFT)
    size = np.abs(change)
    return bool(size.mean() <= _MAX_MEAN_CHANGE and size.max() <= _MAX_CELL_CHANGE)


def _kept_as_it_is(image: bytes, max_side_px: int) -> KeptPicture | None:
    with _decoding(image) as opened:
        width, height = opened.size
        is_small = max(opened.size) <= max_side_px and len(image) <= width * height * _ENOUGH_BYTES_PER_PIXEL
        if opened.format != "JPEG" or not is_small or opened.getexif().get(_ORIENTATION_TAG, 1) in _TURNS:
            return None
    bare = _without_metadata(image)
    if bare is None:
        return None
    with _decoding(bare) as opened:
        opened.draft("RGB", (1, 1))  # an eighth of the size: every coded byte is read, few pixels are made
        opened.load()
    return KeptPicture(bare, "jpeg", width, height)


def _without_metadata(image: bytes) -> bytes | None:
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


def _grid_of(text: str) -> npt.NDArray[np.float32]:
    return np.frombuffer(bytes.fromhex(text[_ASPECT_HEX_DIGITS:]), np.uint8).astype(np.float32)


def _fit(size: Size, max_side_px: int) -> Size:
    scale = min(1.0, max_side_px / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _opaque(picture: Image.Image) -> Image.Image:
    """RGB or grey, whatever is transparent on white."""
    if picture.mode in ("RGB", "L"):
        picture.load()
        return picture
    if picture.has_transparency_data:
        with_alpha = picture.convert("RGBA")
        ground = Image.new("RGBA", with_alpha.size, "white")
        return Image.alpha_composite(ground, with_alpha).convert("RGB")
    return picture.convert("RGB")


@contextmanager
def _decoding(image: bytes) -> Iterator[Image.Image]:
    """The picture opened, its header judged, its pixels not yet decoded; decoding errors become ours."""
    kind = _kind(image)
    if kind == "WEBP":
        _judge_size(_webp_size(image))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with Image.open(io.BytesIO(image), formats=[kind]) as opened:
                _judge_size(opened.size)
                yield opened
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureRejectedError("the picture has too many pixels", code="image_too_large") from error
    except _BROKEN as error:
        raise PictureRejectedError(f"the {kind} picture is broken and cannot be decoded") from error


def _kind(image: bytes) -> Literal["JPEG", "PNG", "WEBP"]:
    if image.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if image.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if image[:4] == b"RIFF" and image[8:12] == b"WEBP":
        return "WEBP"
    raise PictureRejectedError("the bytes are no JPEG, PNG or WebP picture")


def _judge_size(size: Size) -> None:
    width, height = size
    if max(size) > MAX_SIDE_PX or width * height > MAX_PIXELS:
        raise PictureRejectedError(
            f"the picture is {width}x{height}; at most {MAX_SIDE_PX} pixels a side and "
            f"{MAX_PIXELS // 1_000_000} million in all are taken",
            code="image_too_large",
        )


def _webp_size(image: bytes) -> Size:
    """From the header: Pillow's decoder reserves the whole canvas as soon as it opens a WebP picture."""
    chunk, body = image[12:16], image[20:30].ljust(10, b"\0")
    if chunk == b"VP8X":
        return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    if chunk == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if chunk == b"VP8 ":
        width, height = struct.unpack_from("<HH", body, 6)
        return width & 0x3FFF, height & 0x3FFF
    raise PictureRejectedError("the WebP picture has no known header")
