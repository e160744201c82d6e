"""Makes a client's picture safe, small and comparable: pure functions on bytes; keeps nothing."""

import functools
import io
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image

from workers.language_model.contract import FrameSource, PictureFormat
from workers.vision.picture_file import broken_is_rejected, opened, read_header, without_metadata
from workers.vision.picture_size import Size
from workers.vision.signature import GRID, signature_of

Purpose = FrameSource
Encoded = tuple[bytes, PictureFormat]

MAX_KEPT_BYTES: Final = 300 * 1024
# Motion may be coarse; text must be read.
_QUALITY: Final[dict[Purpose, int]] = {"camera": 70, "screen": 80, "upload": 80}
_COLOURS: Final[dict[Purpose, Literal["4:2:0", "4:4:4"]]] = {"camera": "4:2:0", "screen": "4:4:4", "upload": "4:2:0"}
_LOWER_QUALITIES: Final = (60, 45, 30)
_SHRINKING: Final = 0.75
# Drawn pictures of few colours are a quarter as heavy as lossless WebP (104 KiB, 29 ms) than as JPEG (439 KiB, 8 ms);
# of photos even lossy WebP costs 13 ms for 40 % fewer bytes, which no model charges for.
_HEAVY_JPEG_BYTES: Final = 150 * 1024
_WORTHWHILE_SHARE: Final = 0.75
_FEW_COLOURS: Final = 256
_SAMPLE: Final = (160, 90)
_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ENOUGH_BYTES_PER_PIXEL: Final = 0.2
_JPEG_STEPS: Final = 8
_LEAST_OF_MAX: Final = 0.7
"""A JPEG is decoded at an eighth, two eighths ... of its size for little; from this share of the wanted side on that is
near enough, as resampling a frame costs more than all the rest."""


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


class ClientPicture:
    """One picture as it came; its header is judged at once, its pixels are decoded as little and as late as can be."""

    def __init__(self, image: bytes) -> None:
        """Raises PictureRejectedError."""
        self._header = read_header(image)
        self._turn = _TURNS.get(self._header.orientation)
        is_plain = self._header.kind == "JPEG" and self._turn is None
        self._bare = without_metadata(image) if is_plain else None
        self._image = self._bare or image

    @functools.cached_property
    def signature(self) -> str:
        """From an eighth of a JPEG's size, for which every coded byte is read. Raises PictureRejectedError."""
        with opened(self._image) as picture:
            width, height = picture.size
            picture.draft("L", (160, 90))
            grey = _opaque(picture).convert("L").resize(GRID, Image.Resampling.BOX)
        return signature_of(width, height, grey.tobytes())

    def kept(self, max_side_px: int, purpose: Purpose) -> KeptPicture:
        """At most `max_side_px` on the longer side, never enlarged. Raises PictureRejectedError.

        A plain upright JPEG that is small enough already keeps its pixels as they are and loses only metadata.
        """
        if self._bare is not None and self._is_light(max_side_px):
            self.signature  # noqa: B018 - proves that the bytes can be decoded
            return KeptPicture(self._bare, "jpeg", *self._header.size)
        picture = self._decoded(max_side_px)
        if self._turn is not None:
            picture = picture.transpose(self._turn)
        picture.info = {}
        return _written(picture, purpose)

    def _is_light(self, max_side_px: int) -> bool:
        width, height = self._header.size
        limit = min(MAX_KEPT_BYTES, width * height * _ENOUGH_BYTES_PER_PIXEL)
        return max(width, height) <= max_side_px and len(self._image) <= limit

    def _decoded(self, max_side_px: int) -> Image.Image:
        eighths = self._eighths(max_side_px)
        if eighths is not None:
            return self._decoded_in_eighths(eighths)
        with opened(self._image) as picture:
            size = _fit(picture.size, max_side_px)
            picture.draft("RGB", size)
            solid = _opaque(picture)
            return solid if solid.size == size else solid.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)

    def _eighths(self, max_side_px: int) -> int | None:
        """At how many eighths of its size a JPEG can be decoded instead of being resampled."""
        header = self._header
        if header.kind != "JPEG" or header.mode != "RGB" or max(header.size) <= max_side_px:
            return None
        eighths = _JPEG_STEPS * max_side_px // max(header.size)
        near_enough = eighths * max(header.size) >= _LEAST_OF_MAX * _JPEG_STEPS * max_side_px
        return eighths if near_enough else None

    def _decoded_in_eighths(self, eighths: int) -> Image.Image:
        width, height = (-(-side * eighths // _JPEG_STEPS) for side in self._header.size)
        with broken_is_rejected("JPEG"):
            pixels = simplejpeg.decode_jpeg(self._image, "RGB", min_width=width, min_height=height)
            return Image.fromarray(pixels)


def compress(image: bytes, *, max_side_px: int, purpose: Purpose) -> KeptPicture:
    """Raises PictureRejectedError."""
    return ClientPicture(image).kept(max_side_px, purpose)


def signature(image: bytes) -> str:
    """The picture from afar, as hex: its proportions and a grid of grey. Raises PictureRejectedError."""
    return ClientPicture(image).signature


def glance(image: bytes) -> Glance:
    """The picture in few pixels, for judging its colours. Raises PictureRejectedError."""
    with opened(image) as picture:
        width, height = picture.size
        picture.draft("RGB", (160, 160))
        small = _opaque(picture).convert("RGB").resize(_fit((width, height), 160), Image.Resampling.BOX)
    return Glance(width, height, np.asarray(small))


def thumbnail(image: bytes, width_px: int, height_px: int) -> Image.Image:
    """RGB, fitted into the box, never enlarged. Raises PictureRejectedError."""
    with opened(image) as picture:
        scale = min(1.0, width_px / picture.width, height_px / picture.height)
        size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
        picture.draft("RGB", size)
        return _opaque(picture).convert("RGB").resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)


def encoded_jpeg(picture: Image.Image, quality: int, colours: str) -> bytes:
    written = io.BytesIO()
    picture.save(written, "JPEG", quality=quality, subsampling=colours)
    return written.getvalue()


def _written(picture: Image.Image, purpose: Purpose) -> KeptPicture:
    """The lighter of JPEG and WebP where that is worth its time; never heavier than MAX_KEPT_BYTES."""
    data: bytes = encoded_jpeg(picture, _QUALITY[purpose], _COLOURS[purpose])
    file_format: PictureFormat = "jpeg"
    if purpose != "camera" and len(data) > _HEAVY_JPEG_BYTES and _has_few_colours(picture):
        webp = _encoded_webp(picture)
        if len(webp) <= min(MAX_KEPT_BYTES, len(data) * _WORTHWHILE_SHARE):
            data, file_format = webp, "webp"
    for quality in _LOWER_QUALITIES:
        if len(data) <= MAX_KEPT_BYTES:
            return KeptPicture(data, file_format, picture.width, picture.height)
        data = encoded_jpeg(picture, quality, "4:2:0")
    if len(data) <= MAX_KEPT_BYTES:
        return KeptPicture(data, "jpeg", picture.width, picture.height)
    smaller = _fit(picture.size, round(max(picture.size) * _SHRINKING))
    return _written(picture.resize(smaller, Image.Resampling.BILINEAR), purpose)


def _encoded_webp(picture: Image.Image) -> bytes:
    written = io.BytesIO()
    picture.save(written, "WEBP", lossless=True, quality=0, method=0)
    return written.getvalue()


def _has_few_colours(picture: Image.Image) -> bool:
    """Drawn, not photographed."""
    return picture.resize(_SAMPLE, Image.Resampling.NEAREST).getcolors(_FEW_COLOURS) is not None


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
