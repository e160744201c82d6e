"""What cameras and screens of the vision benchmark show: drawn by code, the same at each run."""

import functools
import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SIZE = (1_280, 720)
SCENES = 10


@dataclass(frozen=True)
class Camera:
    """`scene_seconds`: how long each of the numbered scenes lasts; they come round again."""

    picture: Callable[[float], Image.Image]
    scene_seconds: float = 60.0

    def scene(self, second: float) -> int:
        return int(second / self.scene_seconds) % SCENES

    def jpeg(self, second: float) -> bytes:
        return jpeg(self.picture(second))


def moving() -> Camera:
    """A room in which something the size of a hand's breadth goes round."""

    def picture(second: float) -> Image.Image:
        shown, thing = _noisy(0, second), _room(99).resize((260, 260))
        place = int(500 + 480 * np.cos(second)), int(220 + 200 * np.sin(second * 1.3))
        shown.paste(thing, place)
        return shown

    return Camera(picture)


def still() -> Camera:
    return Camera(lambda second: _noisy(0, second))


def numbered(scene_seconds: float) -> Camera:
    def picture(second: float) -> Image.Image:
        number = int(second / scene_seconds) % SCENES
        shown = _noisy(number, second)
        ImageDraw.Draw(shown).text((500, 200), str(number), "white", ImageFont.load_default(300))
        return shown

    return Camera(picture, scene_seconds)


def page() -> Image.Image:
    shown = Image.new("RGB", SIZE, "white")
    pen, font = ImageDraw.Draw(shown), ImageFont.load_default(13)
    for line in range(42):
        pen.text((8, 17 * line), "The quick brown fox jumps over the lazy dog, 0123456789 times. " * 3, "black", font)
    return shown


def jpeg(picture: Image.Image, quality: int = 80, colours: str = "4:2:0") -> bytes:
    written = io.BytesIO()
    picture.save(written, "JPEG", quality=quality, subsampling=colours)
    return written.getvalue()


def png(picture: Image.Image) -> bytes:
    written = io.BytesIO()
    picture.save(written, "PNG")
    return written.getvalue()


@functools.cache
def _room(number: int) -> Image.Image:
    """Soft shapes, others for each number."""
    coarse = np.random.default_rng(number).integers(0, 256, (9, 16, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(SIZE, Image.Resampling.BICUBIC)


@functools.cache
def _grain(number: int) -> Image.Image:
    room = np.asarray(_room(number // 4), np.int16)
    noise = np.random.default_rng(1_000 + number % 4).normal(0, 4, room.shape)
    return Image.fromarray(np.clip(room + noise, 0, 255).astype(np.uint8))


def _noisy(number: int, second: float) -> Image.Image:
    """With a sensor's grain, about as hard to code as a camera's picture; four grains take turns."""
    return _grain(number * 4 + int(second * 30) % 4).copy()
