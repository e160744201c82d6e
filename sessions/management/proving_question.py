"""What the proof asks and shows: a question about a picture, the picture, and the word that a right answer holds."""

import io
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageDraw

from workers.errors import BadInputError

QUESTION_ENGINE: Final = "neural"
"""Polly's that asks: most regions have it, and where it is missing the next one asks."""
PICTURE_PX: Final = (896, 504)
CIRCLE_PX: Final = (298, 102, 598, 402)
RED: Final = (214, 24, 24)
GREY: Final = (225, 225, 225)


@dataclass(frozen=True, slots=True)
class Question:
    """`voice` is Polly's who asks it. `answers`: any of these words, in lower case, shows that the picture was seen."""

    text: str
    voice: str
    answers: tuple[str, ...]


QUESTIONS: Final = {
    "en": Question("What colour is the big circle in the picture?", "Joanna", ("red", "crimson", "scarlet")),
    "zh": Question("图片里的大圆是什么颜色？", "Zhiyu", ("红",)),
}


def question_in(language: str) -> Question:
    """Raises BadInputError for a language that the proof does not speak."""
    question = QUESTIONS.get(language.partition("-")[0])
    if question is None:
        raise BadInputError(f"the proof asks in English or Chinese, not in {language}; set NOVA_LANGUAGE=en-US for it")
    return question


def picture() -> bytes:
    """A red circle on grey, as a camera would send it."""
    image = Image.new("RGB", PICTURE_PX, GREY)
    ImageDraw.Draw(image).ellipse(CIRCLE_PX, fill=RED)
    data = io.BytesIO()
    image.save(data, "JPEG", quality=85)
    return data.getvalue()
