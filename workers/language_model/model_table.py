"""What each model takes of pictures and what one costs in tokens: facts with source and date; imports no SDK."""

import bisect
import re
from dataclasses import dataclass
from typing import Final, Literal

from workers.language_model.contract import FrameSource

Family = Literal["nova-micro", "nova-lite", "nova-pro", "nova-premier", "nova-2-lite", "nova-2-pro", "unknown"]
TokenRule = Literal["none", "area", "flat"]
Confidence = Literal["documented", "secondary", "inferred"]

# Scaled up until one side is longer than this; a smaller picture costs as much (user guide, "Image size information").
NOVA_LEAST_SIDE_PX: Final = 896


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """`max_all_pictures_bytes` leaves room for base64's third and the words within the 25 MB of a request.

    Converse itself takes 20 pictures of 3.75 MB and 8000 pixels a side; a family's own limit may be lower.
    `area` counts tokens by the size the service scales a picture to, `flat` bills `flat_tokens` for each.
    """

    family: Family
    token_rule: TokenRule
    source: str
    checked_on: str
    confidence: Confidence
    max_pictures: int = 20
    flat_tokens: int = 0
    max_picture_bytes: int = 3_750_000
    max_all_pictures_bytes: int = 17_000_000
    max_side_px: int = 8_000

    @property
    def sees(self) -> bool:
        return self.max_pictures > 0


_NOVA_1: Final = "Nova user guide, 'Image understanding' (modalities-image); Converse API reference, ImageBlock"
_NOVA_2: Final = "Nova 2 user guide, 'Multimodal understanding' (using-multimodal-models)"
_CHECKED_ON: Final = "2026-11-22"

_MODELS: Final[dict[Family, ModelFacts]] = {
    facts.family: facts
    for facts in (
        ModelFacts("nova-micro", "none", "Bedrock model card of Nova Micro", _CHECKED_ON, "documented", 0),
        ModelFacts("nova-lite", "area", _NOVA_1, _CHECKED_ON, "documented"),
        ModelFacts("nova-pro", "area", _NOVA_1, _CHECKED_ON, "documented"),
        ModelFacts("nova-premier", "area", _NOVA_1, _CHECKED_ON, "documented"),
        ModelFacts("nova-2-lite", "flat", _NOVA_2, _CHECKED_ON, "documented", 5, 230),
        ModelFacts("nova-2-pro", "flat", f"{_NOVA_2}, which names Lite alone", _CHECKED_ON, "inferred", 5, 230),
        # The lowest limit and the dearest rule of those known.
        ModelFacts("unknown", "area", "a careful guess", _CHECKED_ON, "inferred", 5),
    )
}
_FAMILIES: Final[dict[str, Family]] = {family.removeprefix("nova-"): family for family in _MODELS}
_FAMILY: Final = re.compile(r"(?:^|[./])nova-(micro|lite|pro|premier|2-lite|2-pro)(?:-|:|$)")

# The guide's five sizes (pixels of the scaled picture, tokens); between them by area.
_TOKENS_BY_AREA: Final = (
    (900 * 450, 800),
    (900 * 900, 1_300),
    (1_400 * 900, 1_800),
    (1_800 * 900, 2_400),
    (1_300 * 1_300, 2_600),
)
_AREAS: Final = tuple(area for area, _ in _TOKENS_BY_AREA)


def model_facts(model_id: str) -> ModelFacts:
    """Of a model id, an inference profile (`us.`, `eu.`, `apac.`, `global.`) or an ARN that ends with either."""
    found = _FAMILY.search(model_id)
    return _MODELS[_FAMILIES[found[1]]] if found else _MODELS["unknown"]


def picture_tokens(model_id: str, width_px: int, height_px: int) -> int:
    """An estimate, for Nova 1 to be set right by the usage that comes back; what is billed, for Nova 2."""
    facts = model_facts(model_id)
    match facts.token_rule:
        case "none":
            return 0
        case "flat":
            return facts.flat_tokens
        case "area":
            return _tokens_of_area(_scaled_area(width_px, height_px))


def useful_side_px(model_id: str, source: FrameSource, limit_px: int) -> int:
    """The longer side worth keeping: moving pictures as small as Nova 1 does not charge less for, text in full."""
    is_charged_by_area = model_facts(model_id).token_rule == "area"
    return min(limit_px, NOVA_LEAST_SIDE_PX) if source == "camera" and is_charged_by_area else limit_px


def _scaled_area(width_px: int, height_px: int) -> float:
    longer = max(1, width_px, height_px)
    scale = max(1.0, NOVA_LEAST_SIDE_PX / longer)
    return max(1, width_px) * max(1, height_px) * scale * scale


def _tokens_of_area(area: float) -> int:
    """Outside the guide's sizes the nearest step goes on; a strip is charged no less than the guide's smallest picture."""
    place = min(max(1, bisect.bisect_left(_AREAS, area)), len(_AREAS) - 1)
    (low, low_tokens), (high, high_tokens) = _TOKENS_BY_AREA[place - 1], _TOKENS_BY_AREA[place]
    if place == len(_AREAS) - 1 and area > high:
        return round(area * high_tokens / high)
    tokens = low_tokens + (area - low) / (high - low) * (high_tokens - low_tokens)
    return max(_TOKENS_BY_AREA[0][1], round(tokens))
