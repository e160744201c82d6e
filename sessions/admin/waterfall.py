"""A turn's delays as bars on one scale, from the end of the voice to the first sound; pure."""

from collections.abc import Mapping
from dataclasses import dataclass

WIDTH = 1_000


@dataclass(frozen=True, slots=True)
class Bar:
    """`x` and `width` are shares of WIDTH on the scale that the bars of one page have in common."""

    name: str
    meaning: str
    tone: str
    start_ms: float
    length_ms: float
    x: float
    width: float


# Delays of a record count from the end of the turn, which itself came `end_of_turn` after the voice had ended. Times
# inside a worker (model_first_token, voice_first_byte) begin with their own stage.
_STAGES = (
    ("deciding", "the voice had ended, the turn had not yet", "deciding", "", ""),
    ("writing", "until the model's first sentence", "writing", "", "first_sentence"),
    ("handing on", "until the sentence's speech was asked for", "handing", "first_sentence", "speech_asked"),
    ("speaking", "until the first sound left", "speaking", "speech_asked", "first_audio"),
)


def total_ms(delays: Mapping[str, float]) -> float:
    """From the end of the voice to the last stage that is known."""
    last_ms = max(
        (delays[name] for name in ("first_sentence", "speech_asked", "first_audio") if name in delays), default=0
    )
    return delays.get("end_of_turn", 0.0) + last_ms


def bars(delays: Mapping[str, float], scale_ms: float) -> list[Bar]:
    """Stages that did not happen are left out. `scale_ms` is the longest total of the page."""
    scale_ms = max(scale_ms, 1.0)
    ended_ms = float(delays.get("end_of_turn", 0.0))
    made: list[Bar] = []
    for name, meaning, tone, begins_after, ends_with in _STAGES:
        if ends_with and ends_with not in delays:
            continue
        start_ms = 0.0 if not ends_with else ended_ms + float(delays.get(begins_after, 0.0))
        end_ms = ended_ms if not ends_with else ended_ms + float(delays[ends_with])
        if end_ms > start_ms:
            made.append(_bar(name, meaning, tone, start_ms, end_ms - start_ms, scale_ms))
    return made


def _bar(name: str, meaning: str, tone: str, start_ms: float, length_ms: float, scale_ms: float) -> Bar:
    x = min(WIDTH, start_ms / scale_ms * WIDTH)
    width = max(1.0, min(WIDTH - x, length_ms / scale_ms * WIDTH))
    return Bar(name, meaning, tone, round(start_ms, 1), round(length_ms, 1), round(x, 1), round(width, 1))
