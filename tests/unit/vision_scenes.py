"""Frames as a worker has judged them, made of signatures alone: scenes by number, each with as many looks as wanted."""

import functools
from typing import Any

import numpy as np

from workers.vision.choice import SeenFrame
from workers.vision.signature import GRID, signature_of


@functools.cache
def look_of(scene: int, moved: int = 0) -> str:
    """The signature of a scene; each step of `moved` moves a bright thing by a cell."""
    grid = np.random.default_rng(scene).integers(0, 256, GRID[::-1], dtype=np.uint8)
    if moved:
        grid[(moved // GRID[0]) % GRID[1], moved % GRID[0]] ^= 0x80
    return signature_of(1_280, 720, grid.tobytes())


def frame(second: float, scene: int, moved: int = 0, change: float = 0.0, **other: Any) -> SeenFrame:
    fields: dict[str, Any] = {"source": "camera", "width_px": 800, "height_px": 450, **other}
    frame_id = f"{fields['source']}-{second}"
    return SeenFrame(
        frame_id, captured_at_ms=round(second * 1_000), signature=look_of(scene, moved), change=change, **fields
    )


def video(
    scenes: list[int], frames_each: int = 4, step_seconds: float = 0.5, is_moving: bool = False
) -> list[SeenFrame]:
    """One frame after the other; the first of a scene has changed wholly."""
    found = []
    for place, scene in enumerate(scenes):
        for number in range(frames_each):
            count = place * frames_each + number
            moved = number if is_moving else 0
            found.append(frame(count * step_seconds, scene, moved, 1.0 if number == 0 else 0.05 * bool(moved)))
    return found
