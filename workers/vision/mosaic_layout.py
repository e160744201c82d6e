"""Where the cells of a mosaic lie, on a sheet that the service neither scales nor distorts. Pure."""

import math
from dataclasses import dataclass
from typing import Final

from workers.language_model.model_table import picture_tokens

MAX_CELLS: Final = 12
LEAST_CELL_SIDE_PX: Final = 300
"""The longer side of a cell's picture, below which its scene can hardly be made out."""
# Of Nova's own proportions (1:2, 1:1, 2:3 and their transposes), one side just long enough not to be scaled up.
_SHEETS: Final = ((900, 450), (450, 900), (900, 900), (1_350, 900), (900, 1_350))


@dataclass(frozen=True, slots=True)
class MosaicLayout:
    """Cells go row by row, oldest first; each is `cell_width_px` by `cell_height_px`."""

    width_px: int
    height_px: int
    columns: int
    rows: int

    @property
    def cell_width_px(self) -> int:
        return self.width_px // self.columns

    @property
    def cell_height_px(self) -> int:
        return self.height_px // self.rows

    def corner(self, number: int) -> tuple[int, int]:
        row, column = divmod(number, self.columns)
        return column * self.cell_width_px, row * self.cell_height_px


def mosaic_layout(cells: int, proportion: float, model_id: str) -> MosaicLayout:
    """For `cells` pictures about `proportion` (width by height) each: the cheapest sheet on which they can be made out.

    Of sheets that cost the same the one that shows them largest.
    """
    count = min(max(1, cells), MAX_CELLS)
    layouts = [
        MosaicLayout(width, height, columns, math.ceil(count / columns))
        for width, height in _SHEETS
        for columns in range(1, count + 1)
    ]
    readable = [layout for layout in layouts if max(_shown(layout, proportion)) >= LEAST_CELL_SIDE_PX]
    if not readable:
        return max(layouts, key=lambda layout: math.prod(_shown(layout, proportion)))
    return min(readable, key=lambda layout: _merit(layout, proportion, model_id))


def mosaic_tokens(cells: int, proportion: float, model_id: str) -> int:
    layout = mosaic_layout(cells, proportion, model_id)
    return picture_tokens(model_id, layout.width_px, layout.height_px)


def _merit(layout: MosaicLayout, proportion: float, model_id: str) -> tuple[float, float]:
    tokens = picture_tokens(model_id, layout.width_px, layout.height_px)
    return tokens, -math.prod(_shown(layout, proportion))


def _shown(layout: MosaicLayout, proportion: float) -> tuple[float, float]:
    """Width and height of a picture fitted into a cell."""
    width = min(layout.cell_width_px, layout.cell_height_px * proportion)
    return width, width / proportion
