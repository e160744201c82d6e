"""Draws older frames as one picture, each cell marked with its time; pure: bytes in, bytes out."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from workers.errors import PictureRejectedError
from workers.vision.compressor import KeptPicture, encoded_jpeg, thumbnail
from workers.vision.mosaic_layout import MAX_CELLS, MosaicLayout, mosaic_layout
from workers.vision.picture_file import read_header

_QUALITY: Final = 75
_GROUND: Final = (24, 24, 24)
_MARK_INK: Final = (255, 255, 255)
_MARK_GROUND: Final = (0, 0, 0)
_MARK_PX: Final = 18
_GAP_PX: Final = 2


@dataclass(frozen=True, slots=True)
class MosaicPicture:
    """`mark` is written into the cell's corner."""

    data: bytes
    mark: str


def compose(pictures: Sequence[MosaicPicture], model_id: str) -> KeptPicture:
    """Row by row, in the order given, at most MAX_CELLS. Raises PictureRejectedError when there is none."""
    shown = pictures[:MAX_CELLS]
    if not shown:
        raise PictureRejectedError("a mosaic needs a picture")
    sizes = [read_header(picture.data).size for picture in shown]
    layout = mosaic_layout(len(shown), median(width / height for width, height in sizes), model_id)
    sheet = Image.new("RGB", (layout.width_px, layout.height_px), _GROUND)
    for number, picture in enumerate(shown):
        _draw_cell(sheet, layout, number, picture)
    return KeptPicture(encoded_jpeg(sheet, _QUALITY, "4:2:0"), "jpeg", sheet.width, sheet.height)


def _draw_cell(sheet: Image.Image, layout: MosaicLayout, number: int, picture: MosaicPicture) -> None:
    left, top = layout.corner(number)
    width, height = layout.cell_width_px - _GAP_PX, layout.cell_height_px - _GAP_PX
    small = thumbnail(picture.data, width, height)
    sheet.paste(small, (left + (width - small.width) // 2, top + (height - small.height) // 2))
    pen = ImageDraw.Draw(sheet)
    box = pen.textbbox((left + 4, top + 3), picture.mark, font=_font())
    pen.rectangle((left, top, box[2] + 4, box[3] + 3), fill=_MARK_GROUND)
    pen.text((left + 4, top + 3), picture.mark, fill=_MARK_INK, font=_font())


@functools.cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(_MARK_PX)
