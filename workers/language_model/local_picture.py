"""Says in words what can be read off a picture's pixels; recognises no things and says so."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from workers.errors import PictureRejectedError
from workers.language_model.contract import PicturePart
from workers.vision.compressor import Glance, glance, signature
from workers.vision.signature import is_near_identical

Language = Literal["en", "zh"]
_Pixels = npt.NDArray[np.float32]

_NAMES: Final[dict[str, str]] = {
    "black": "黑色", "white": "白色", "grey": "灰色", "red": "红色", "orange": "橙色", "brown": "棕色",
    "yellow": "黄色", "green": "绿色", "turquoise": "青色", "blue": "蓝色", "purple": "紫色", "pink": "粉色",
}  # fmt: skip
_HUES: Final = (
    (15, "red"), (45, "orange"), (70, "yellow"), (165, "green"), (195, "turquoise"), (260, "blue"),
    (295, "purple"), (340, "pink"), (361, "red"),
)  # fmt: skip
_LIGHTS: Final = ((45, "very dark", "很暗"), (95, "rather dark", "偏暗"), (175, "well lit", "亮度适中"))
_BRIGHTEST: Final = ("very bright", "很亮")
_LEAST_SHARE: Final = 0.12
_SOURCES: Final = {
    "camera": ("Your camera shows", "你的摄像头画面"),
    "screen": ("Your screen shows", "你的屏幕画面"),
    "upload": ("You sent me", "你发来的图片"),
}


@dataclass(frozen=True, slots=True)
class _Look:
    glance: Glance
    signature: str


def describe(picture: PicturePart, previous: PicturePart | None, language: Language) -> str:
    """Size, light, main colours, and what changed since `previous`."""
    look = _look(picture)
    if look is None:
        return "这张图片我打不开。" if language == "zh" else "I was given a picture, but I cannot open it."
    before = _look(previous) if previous is not None else None
    return _in_chinese(picture, look, before) if language == "zh" else _in_english(picture, look, before)


def _look(picture: PicturePart) -> _Look | None:
    try:
        return _Look(glance(picture.data), signature(picture.data))
    except PictureRejectedError:
        return None


def _in_english(picture: PicturePart, look: _Look, before: _Look | None) -> str:
    seen, (light, _) = look.glance, _light(_luma(look))
    colours = " and ".join(_main_colours(seen))
    text = (
        f"{_SOURCES[picture.source][0]} a picture of {seen.width_px} by {seen.height_px} pixels. "
        f"It is {light}, and mostly {colours}. "
    )
    if before is not None:
        text += f"{_change(look, before)[0]} "
    return text + "I only see colours and light: what the things are, I cannot tell."


def _in_chinese(picture: PicturePart, look: _Look, before: _Look | None) -> str:
    seen, (_, light) = look.glance, _light(_luma(look))
    colours = "和".join(_NAMES[name] for name in _main_colours(seen))
    text = f"{_SOURCES[picture.source][1]}宽{seen.width_px}像素，高{seen.height_px}像素。画面{light}，主要是{colours}。"
    if before is not None:
        text += _change(look, before)[1]
    return text + "我只看得出颜色和明暗，认不出是什么东西。"


def _change(look: _Look, before: _Look) -> tuple[str, str]:
    if is_near_identical(look.signature, before.signature):
        return "It looks the same as the picture before.", "和上一张看起来一样。"
    difference = _luma(look) - _luma(before)
    if abs(difference) < 12:
        return "It has changed since the picture before.", "和上一张相比有变化。"
    if difference > 0:
        return "It has changed since the picture before, and is brighter.", "和上一张相比有变化，变亮了。"
    return "It has changed since the picture before, and is darker.", "和上一张相比有变化，变暗了。"


def _luma(look: _Look) -> float:
    return float((look.glance.pixels @ np.array([0.299, 0.587, 0.114])).mean())


def _light(luma: float) -> tuple[str, str]:
    for limit, english, chinese in _LIGHTS:
        if luma < limit:
            return english, chinese
    return _BRIGHTEST


def _main_colours(seen: Glance) -> list[str]:
    """At most three colour names, the most frequent first."""
    names = _colour_names(seen.pixels.reshape(-1, 3).astype(np.float32))
    found, counts = np.unique(names, return_counts=True)
    order = np.argsort(-counts)[:3]
    total = len(names)
    main = [str(found[at]) for at in order if counts[at] >= total * _LEAST_SHARE]
    return main or [str(found[order[0]])]


def _colour_names(pixels: _Pixels) -> npt.NDArray[np.str_]:
    strongest, weakest = pixels.max(axis=1), pixels.min(axis=1)
    spread = strongest - weakest
    hues = _hues(pixels, strongest, spread)
    names = np.array([name for _, name in _HUES])[np.searchsorted([limit for limit, _ in _HUES], hues, "right")]
    names = np.where((names == "orange") & (strongest < 170), "brown", names)
    is_colourless = (spread < 30) | (spread < 0.16 * strongest)
    names = np.where(is_colourless, np.where(strongest > 215, "white", "grey"), names)
    return np.where(strongest < 50, "black", names)


def _hues(pixels: _Pixels, strongest: _Pixels, spread: _Pixels) -> _Pixels:
    red, green, blue = pixels.T
    width = np.maximum(spread, 1)
    hues = np.where(
        strongest == red,
        (green - blue) / width % 6,
        np.where(strongest == green, (blue - red) / width + 2, (red - green) / width + 4),
    )
    return np.asarray(hues * 60, np.float32)
