"""Mosaics: a sheet the service neither scales nor distorts, every cell in its place and marked with its time."""

import io
from math import prod

import numpy as np
import pytest
from PIL import Image

from tests.aws_emulator.bedrock_pictures import counted_tokens
from workers.errors import PictureRejectedError
from workers.vision.clock import moment
from workers.vision.mosaic import MosaicPicture, compose
from workers.vision.mosaic_layout import LEAST_CELL_SIDE_PX, MAX_CELLS, mosaic_layout, mosaic_tokens

LITE = "us.amazon.nova-lite-v1:0"
NOVA_2 = "us.amazon.nova-2-lite-v1:0"
WIDE, TALL, OLD = 16 / 9, 9 / 16, 4 / 3
PROPORTIONS = [WIDE, TALL, OLD, 1.0, 21 / 9]


def plain(light: int, width: int = 800, height: int = 450) -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (width, height), (light, light, light)).save(written, "JPEG")
    return written.getvalue()


def drawn(lights: list[int], mark: str = "0:00", **size: int) -> Image.Image:
    kept = compose([MosaicPicture(plain(light, **size), mark) for light in lights], LITE)
    return Image.open(io.BytesIO(kept.data)).convert("L")


@pytest.mark.parametrize("proportion", PROPORTIONS)
@pytest.mark.parametrize("cells", range(1, MAX_CELLS + 1))
@pytest.mark.parametrize("model", [LITE, NOVA_2])
def test_no_sheet_is_scaled_and_every_cell_can_be_made_out(cells: int, proportion: float, model: str) -> None:
    layout = mosaic_layout(cells, proportion, model)
    assert max(layout.width_px, layout.height_px) > 896
    assert layout.width_px / layout.height_px in (0.5, 2 / 3, 1, 1.5, 2)
    assert layout.columns * layout.rows >= cells
    width = min(layout.cell_width_px, layout.cell_height_px * proportion)
    assert max(width, width / proportion) >= LEAST_CELL_SIDE_PX


@pytest.mark.parametrize(("cells", "tokens"), [(2, 800), (4, 800), (6, 800), (8, 1_300), (12, 1_300)])
@pytest.mark.parametrize("proportion", [WIDE, TALL, OLD])
def test_six_cells_cost_less_than_one_frame_and_twelve_less_than_two(
    cells: int, tokens: int, proportion: float
) -> None:
    assert mosaic_tokens(cells, proportion, LITE) == tokens
    layout = mosaic_layout(cells, proportion, LITE)
    assert counted_tokens(layout.width_px, layout.height_px) == tokens


def test_where_pictures_cost_alike_the_cells_are_larger() -> None:
    areas = [mosaic_layout(6, WIDE, model) for model in (LITE, NOVA_2)]
    assert prod((areas[1].cell_width_px, areas[1].cell_height_px)) > prod(
        (areas[0].cell_width_px, areas[0].cell_height_px)
    )


def test_cells_go_row_by_row_in_the_order_given() -> None:
    lights = [40, 80, 120, 160, 200, 240]
    sheet, layout = drawn(lights), mosaic_layout(6, WIDE, LITE)
    for number, light in enumerate(lights):
        left, top = layout.corner(number)
        middle = sheet.getpixel((left + layout.cell_width_px // 2, top + layout.cell_height_px // 2))
        assert middle == pytest.approx(light, abs=4)


def test_each_cell_carries_its_mark() -> None:
    corners = [np.asarray(drawn([128] * 4, mark).crop((0, 0, 60, 26))) for mark in ("0:07", "1:42")]
    assert all(corner.max() > 200 and corner.min() < 40 for corner in corners)
    assert (corners[0] != corners[1]).any()


def test_pictures_of_other_proportions_fit_into_their_cells() -> None:
    pictures = [MosaicPicture(plain(200, *size), "0:00") for size in ((800, 450), (450, 800), (30, 900), (64, 64))]
    kept = compose(pictures, LITE)
    assert (kept.width_px, kept.height_px) == Image.open(io.BytesIO(kept.data)).size


def test_more_cells_than_can_be_made_out_are_left_out() -> None:
    assert (
        compose([MosaicPicture(plain(9), "0:00")] * 30, LITE).width_px == mosaic_layout(MAX_CELLS, WIDE, LITE).width_px
    )


def test_a_mosaic_of_nothing_is_refused() -> None:
    with pytest.raises(PictureRejectedError):
        compose([], LITE)


@pytest.mark.parametrize(
    ("captured_at_ms", "told"), [(1_000, "0:00"), (66_999, "1:05"), (3_601_000, "60:00"), (0, "0:00")]
)
def test_a_moment_is_told_in_minutes_and_seconds_of_the_talk(captured_at_ms: int, told: str) -> None:
    assert moment(captured_at_ms, 1_000) == told
