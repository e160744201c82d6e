"""Puts the bytes of kept frames into a request, each with a line of words before it that says when it was seen."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import redis

from workers.language_model.contract import (
    FramePart,
    FrameSource,
    ModelMessage,
    ModelPart,
    PictureFormat,
    PicturePart,
    StoredMessage,
)
from workers.streams import kept_pictures
from workers.vision.clock import moment

NEWEST_FRAME_WAIT_SECONDS: Final = 0.2
FRAME_POLL_SECONDS: Final = 0.01
_SEEN: Final[dict[FrameSource, str]] = {"camera": "The user's camera", "screen": "The user's screen"}


@dataclass(frozen=True, slots=True)
class FilledMessages:
    messages: tuple[ModelMessage, ...]
    pictures: int
    picture_bytes: int


def fill_in(
    stored: Sequence[StoredMessage], client: "redis.Redis", clock_started_at_ms: int, *, wait_seconds: float
) -> FilledMessages:
    """Pictures whose life is over are left out; those of the last message may still be with the vision worker."""
    found = _load(stored, client, wait_seconds)
    captions = _Captions(stored, clock_started_at_ms)
    messages = tuple(_filled(message, found, captions) for message in stored)
    pictures = [part for message in messages for part in message.parts if isinstance(part, PicturePart)]
    return FilledMessages(messages, len(pictures), sum(len(picture.data) for picture in pictures))


class _Captions:
    """Times are minutes and seconds since the clock's start, or since the oldest picture when no start is known."""

    def __init__(self, stored: Sequence[StoredMessage], clock_started_at_ms: int) -> None:
        frames = [frame for frame in _frames(stored) if frame.source != "upload"]
        moments = [cell.captured_at_ms for frame in frames for cell in frame.cells or (frame,)]
        self._started_at_ms = clock_started_at_ms or min(moments, default=0)
        alone = (frame for frame in frames if not frame.cells)
        self._newest = {frame.source: frame for frame in sorted(alone, key=lambda frame: frame.captured_at_ms)}

    def of(self, frame: FramePart) -> str:
        if frame.cells:
            return f"[Earlier pictures in one, oldest first, row by row: {self._cells(frame)}]"
        if frame.source == "upload":
            return "[A picture the user sent]"
        newest = ", newest" if self._newest[frame.source].captured_at_ms == frame.captured_at_ms else ""
        return f"[{_SEEN[frame.source]} at {moment(frame.captured_at_ms, self._started_at_ms)}{newest}]"

    def _cells(self, frame: FramePart) -> str:
        has_sources = len({cell.source for cell in frame.cells}) > 1
        return ", ".join(
            f"{cell.source} {time}" if has_sources else time
            for cell in frame.cells
            for time in (moment(cell.captured_at_ms, self._started_at_ms),)
        )


def _frames(messages: Sequence[StoredMessage]) -> list[FramePart]:
    return [part for message in messages for part in message.parts if isinstance(part, FramePart)]


def _load(stored: Sequence[StoredMessage], client: "redis.Redis", wait_seconds: float) -> dict[str, bytes]:
    wanted = {frame.key for frame in _frames(stored)}
    awaited = {frame.key for frame in _frames(stored[-1:])}
    deadline = time.monotonic() + wait_seconds
    found = kept_pictures.load(client, wanted)
    while awaited - found.keys() and time.monotonic() < deadline:
        time.sleep(FRAME_POLL_SECONDS)
        found |= kept_pictures.load(client, awaited - found.keys())
    return found


def _filled(message: StoredMessage, found: dict[str, bytes], captions: _Captions) -> ModelMessage:
    parts: list[ModelPart] = []
    for part in message.parts:
        if not isinstance(part, FramePart):
            parts.append(part)
        elif part.key in found:
            data = found[part.key]
            caption = captions.of(part)
            parts.append(PicturePart(data, _format_of(data), part.source, part.captured_at_ms, caption))
    return ModelMessage(message.role, tuple(parts))


def _format_of(data: bytes) -> PictureFormat:
    if data.startswith(b"\x89PNG"):
        return "png"
    return "webp" if data[8:12] == b"WEBP" else "jpeg"
