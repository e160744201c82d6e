"""Compares pictures by their signatures, a grid of grey as hex text; needs no picture library."""

import functools
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

ASPECT_HEX_DIGITS: Final = 4
GRID: Final = (32, 18)
_MAX_LIGHT_SHIFT: Final = 12
_MAX_MEAN_CHANGE: Final = 1.5
_MAX_CELL_CHANGE: Final = 8.0
SCENE_CHANGE: Final = 0.5
"""From this share of changed cells on it is another scene, no movement within one."""

_Grid = npt.NDArray[np.float32]


def signature_of(width_px: int, height_px: int, grid: bytes) -> str:
    """`grid` is the picture in grey, GRID wide and high, one byte a cell."""
    proportion = min(0xFFFF, round(100 * width_px / height_px))
    return f"{proportion:0{ASPECT_HEX_DIGITS}x}{grid.hex()}"


def is_near_identical(a: str, b: str) -> bool:
    """Whether two signatures show the same scene; a change of light of the whole picture is not a change."""
    return _are_alike(a, b) and bool(_are_near_identical(_grid_of(a), _grid_of(b)))


def twins(signatures: Sequence[str]) -> list[int | None]:
    """For each, the place of an earlier one that shows the same; None for the first of its looks, and for "" always."""
    found: list[int | None] = []
    originals: dict[str, list[int]] = {}
    for place, signature in enumerate(signatures):
        shape = signature[:ASPECT_HEX_DIGITS]
        rivals = originals.setdefault(shape, []) if signature else []
        twin = _first_twin(signature, [signatures[rival] for rival in rivals])
        found.append(None if twin is None else rivals[twin])
        if twin is None:
            rivals.append(place)
    return found


def _first_twin(signature: str, rivals: list[str]) -> int | None:
    if not rivals:
        return None
    is_twin = _are_near_identical(np.stack([_grid_of(rival) for rival in rivals]), _grid_of(signature))
    return int(np.argmax(is_twin)) if is_twin.any() else None


def change_between(a: str, b: str) -> float:
    """The share of the picture that is another, 0 to 1; pictures of other proportions, or none, are wholly another."""
    return float((_changes(_grid_of(a), _grid_of(b)) > _MAX_CELL_CHANGE).mean()) if _are_alike(a, b) else 1.0


def _are_alike(a: str, b: str) -> bool:
    return bool(a) and len(a) == len(b) and a[:ASPECT_HEX_DIGITS] == b[:ASPECT_HEX_DIGITS]


def _are_near_identical(grids: _Grid, other: _Grid) -> npt.NDArray[np.bool_]:
    sizes = _changes(grids, other)
    alike: npt.NDArray[np.bool_] = (sizes.mean(axis=-1) <= _MAX_MEAN_CHANGE) & (sizes.max(axis=-1) <= _MAX_CELL_CHANGE)
    return alike


def _changes(grids: _Grid, other: _Grid) -> _Grid:
    """By cell, after taking off what the light of the whole picture has changed."""
    change = grids - other
    light = np.clip(np.median(change, axis=-1, keepdims=True), -_MAX_LIGHT_SHIFT, _MAX_LIGHT_SHIFT)
    sizes: _Grid = np.abs(change - light)
    return sizes


@functools.lru_cache(maxsize=256)
def _grid_of(text: str) -> _Grid:
    return np.frombuffer(bytes.fromhex(text[ASPECT_HEX_DIGITS:]), np.uint8).astype(np.float32)
