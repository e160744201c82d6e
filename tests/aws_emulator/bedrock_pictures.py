"""Owns what Bedrock takes of pictures by model, what it counts for them, and the facts kept of each; answers nothing.

Written from the user guides of Nova ("Image understanding") and Nova 2 ("Multimodal understanding"), apart from the product.
"""

import base64
import binascii
import hashlib
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from typing import Any

from PIL import Image, UnidentifiedImageError

from tests.aws_emulator.refusal import InvalidRequestError

Json = dict[str, Any]

MAX_IMAGE_BYTES = int(3.75 * 1024 * 1024)
MAX_IMAGE_SIDE = 8_000
IMAGE_FORMATS = ("png", "jpeg", "gif", "webp")
_LEAST_SIDE = 896
_GUIDE = ((405_000, 800), (810_000, 1_300), (1_260_000, 1_800), (1_620_000, 2_400), (1_690_000, 2_600))


@dataclass(frozen=True)
class ModelRule:
    pattern: str
    max_images: int


MODELS = (
    ModelRule(r"nova-micro", 0),
    ModelRule(r"nova-2", 5),
    ModelRule(r"", 20),
)


def image_facts(messages: list[Json]) -> list[Json]:
    return [_facts(index, caption, image) for index, caption, image in _images(messages)]


def is_caption(content: list[Json], place: int) -> bool:
    """A text in brackets right before an image."""
    if place + 1 >= len(content) or "image" not in content[place + 1]:
        return False
    return re.fullmatch(r"\[.*\]", str(content[place].get("text", ""))) is not None


def check_images(images: list[Json], model_id: str) -> None:
    limit = next(rule.max_images for rule in MODELS if re.search(rule.pattern, model_id))
    if images and not limit:
        raise InvalidRequestError("This model doesn't support the image content block that you provided.")
    if len(images) > limit:
        raise InvalidRequestError(f"too many images and documents: {len(images)} + 0 > {limit}")
    for image in images:
        _check_image(image, f"messages.{image['message']}")


def _check_image(image: Json, where: str) -> None:
    if image["format"] not in IMAGE_FORMATS:
        raise InvalidRequestError(
            f"1 validation error detected: Value '{image['format']}' at '{where}.image.format' failed to "
            f"satisfy constraint: Member must satisfy enum value set: [{', '.join(IMAGE_FORMATS)}]"
        )
    if image["bytes"] > MAX_IMAGE_BYTES:
        raise InvalidRequestError(
            f"{where}: image exceeds 3.75 MB maximum: {image['bytes']} bytes > {MAX_IMAGE_BYTES} bytes"
        )
    if image["found_format"] is None:
        raise InvalidRequestError("Could not process image")
    if max(image["width"], image["height"]) > MAX_IMAGE_SIDE:
        raise InvalidRequestError(f"{where}: image dimensions exceed max allowed size: {MAX_IMAGE_SIDE} pixels")
    if image["found_format"] != image["format"]:
        raise InvalidRequestError(
            f"The image was specified using the image/{image['format']} media type, but the image "
            f"appears to be a image/{image['found_format']} image"
        )


def _images(messages: list[Json]) -> Iterator[tuple[int, str, Json]]:
    """Index of the message, the caption before the image, the image."""
    for index, message in enumerate(messages):
        content = message.get("content")
        blocks = [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []
        for place, block in enumerate(blocks):
            if isinstance(block.get("image"), dict):
                caption = blocks[place - 1]["text"] if place and is_caption(blocks, place - 1) else ""
                yield index, caption, block["image"]
            for inner in (block.get("toolResult") or {}).get("content") or []:
                if isinstance(inner, dict) and isinstance(inner.get("image"), dict):
                    yield index, "", inner["image"]


def _facts(message_index: int, caption: str, image: Json) -> Json:
    source = image.get("source")
    try:
        data = base64.b64decode(source.get("bytes") or "" if isinstance(source, dict) else "", validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise InvalidRequestError("Failed to decode base64 image bytes", "SerializationException") from error
    looks = _looks(data)
    return {
        "message": message_index,
        "caption": caption,
        "format": image.get("format"),
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        **looks,
        "tokens": counted_tokens(looks["width"], looks["height"]),
    }


def counted_tokens(width: int, height: int) -> int:
    """What `inputTokens` shows for a picture, by the guide's sizes and the lines between them."""
    scale = max(1.0, _LEAST_SIDE / max(1, width, height))
    area = width * height * scale**2
    for (low, low_tokens), (high, high_tokens) in pairwise(_GUIDE):
        if area <= high:
            share = max(0.0, (area - low) / (high - low))
            return round(low_tokens + share * (high_tokens - low_tokens))
    return round(_GUIDE[-1][1] * area / _GUIDE[-1][0])


def _looks(data: bytes) -> Json:
    """Reads the header only."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(BytesIO(data), formats=["PNG", "JPEG", "GIF", "WEBP"]) as picture:
                return {
                    "found_format": str(picture.format).lower(),
                    "width": picture.width,
                    "height": picture.height,
                }
    except (UnidentifiedImageError, OSError, SyntaxError):
        return {"found_format": None, "width": 0, "height": 0}
    except Image.DecompressionBombError:
        return {"found_format": "bomb", "width": MAX_IMAGE_SIDE + 1, "height": MAX_IMAGE_SIDE + 1}
