"""What the model is shown with one request, and why: the newest frames, a mosaic of older ones, and notes of the rest. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sessions.live.facts import FramePlace, FrameTold
from sessions.live.history import NOTHING_REMEMBERED, Remembered
from sessions.live.watching.album import Mosaic, Page
from workers.language_model.contract import FrameCell, FramePart, FrameSource, StoredPart, TextPart
from workers.language_model.model_table import picture_tokens
from workers.streams import keys
from workers.vision.choice import Choice, FrameReason, SeenFrame
from workers.vision.clock import moment

Frames = tuple[SeenFrame, ...]
UNKNOWN_PICTURE_TOKENS = 1_300
"""Of a picture that is still with the worker: the common middle of Nova's table."""


@dataclass(frozen=True, slots=True)
class Look:
    """Chosen once for a request, so that a speculative reply and the one it becomes show the same.

    `parts` go with the user's newest words, the mosaic first; `remembered` belongs to items of the history.
    """

    parts: tuple[FramePart, ...] = ()
    remembered: Remembered = NOTHING_REMEMBERED
    shown: Frames = ()
    told: tuple[FrameTold, ...] = ()
    tokens: int = 0
    clock_started_at_ms: int = 0
    in_view: tuple[FrameSource, ...] = ()

    @property
    def in_short(self) -> str:
        """What is shown and why, as `scene_change=0:03 0:07, newest=0:12`."""
        moments: dict[str, list[str]] = {}
        for told in self.told:
            if told.place != "out":
                moments.setdefault(told.reason, []).append(moment(told.captured_at_ms, self.clock_started_at_ms))
        return ", ".join(f"{reason}={' '.join(times)}" for reason, times in moments.items())


def frame_part(frame: SeenFrame) -> FramePart:
    return FramePart(keys.kept_frame(frame.frame_id), frame.source, frame.captured_at_ms)


def mosaic_part(mosaic: Mosaic) -> FramePart:
    """Named after its newest cell; each cell carries its own source and time."""
    newest = mosaic.frames[-1]
    cells = tuple(FrameCell(frame.source, frame.captured_at_ms) for frame in mosaic.frames)
    return FramePart(keys.kept_frame(mosaic.mosaic_id), newest.source, newest.captured_at_ms, cells)


def part_of(picture: SeenFrame | Mosaic) -> FramePart:
    return mosaic_part(picture) if isinstance(picture, Mosaic) else frame_part(picture)


def tokens_of(model_id: str, frame: SeenFrame | Mosaic) -> int:
    if not frame.width_px:
        return UNKNOWN_PICTURE_TOKENS
    return picture_tokens(model_id, frame.width_px, frame.height_px)


def compose(
    candidates: Iterable[SeenFrame],
    choice: Choice,
    mosaic: Mosaic | None,
    pages: tuple[Page, ...],
    closed: Iterable[Page],
    model_id: str,
) -> Look:
    """`mosaic` is the one that is ready, which may show less than the choice wants, or None.

    `pages` are closed pages that still go as pictures, `closed` all of them: the rest are notes.
    """
    in_mosaic = mosaic.frame_ids if mosaic is not None else frozenset()
    singles = [frame for frame in choice.singles if frame.frame_id not in in_mosaic]
    pictures = sorted({*choice.pictures, *singles}, key=lambda frame: frame.captured_at_ms)
    parts = tuple(frame_part(frame) for frame in pictures)
    if mosaic is not None:
        parts = (mosaic_part(mosaic), *parts)
    in_cells = mosaic.frames if mosaic is not None else ()
    shown = {frame.frame_id: frame for frame in (*in_cells, *pictures)}
    tokens = sum(tokens_of(model_id, frame) for frame in pictures)
    tokens += sum(tokens_of(model_id, each) for each in (mosaic, *(page.picture for page in pages)) if each is not None)
    looked_at = {**{frame.frame_id: frame for frame in candidates}, **shown}
    told = _told(choice, in_mosaic, frozenset(frame.frame_id for frame in pictures), looked_at)
    return Look(parts, Remembered(_remembered(pages, closed)), _by_time(shown), told, tokens)


def usable_mosaic(choice: Choice, ready: Mosaic | None) -> Mosaic | None:
    """The ready mosaic, if it shows some of what is wanted; all of it where it is to stand for the newest frames too."""
    wanted = {frame.frame_id for frame in choice.cells}
    if ready is None or not wanted & ready.frame_ids:
        return None
    return ready if choice.pictures or wanted <= ready.frame_ids else None


def _remembered(pages: tuple[Page, ...], closed: Iterable[Page]) -> tuple[tuple[str, tuple[StoredPart, ...]], ...]:
    as_picture = {page.page_id for page in pages}
    by_item: dict[str, list[StoredPart]] = {}
    for page in closed:
        parts = by_item.setdefault(page.item_id, [])
        if page.page_id in as_picture and page.picture is not None:
            parts.append(part_of(page.picture))
        elif page.note:
            parts.append(TextPart(f"(Seen before, no longer shown: {page.note})"))
    return tuple((item_id, tuple(parts)) for item_id, parts in by_item.items() if parts)


def _told(
    choice: Choice, in_mosaic: frozenset[str], as_pictures: frozenset[str], looked_at: Mapping[str, SeenFrame]
) -> tuple[FrameTold, ...]:
    """Every frame with its place and the reason; a cell that is in no mosaic yet is out after all."""
    chosen = {reason.frame_id: reason for reason in choice.reasons}
    told = []
    for frame in _by_time(looked_at):
        frame_id, why = frame.frame_id, chosen.get(frame.frame_id)
        place: FramePlace = "picture" if frame_id in as_pictures else "mosaic" if frame_id in in_mosaic else "out"
        told.append(FrameTold(frame.captured_at_ms, frame.source, place, _reason(why, place)))
    return tuple(told)


def _reason(why: FrameReason | None, place: FramePlace) -> str:
    """A ready mosaic may still show what the choice would leave out by now."""
    if why is None or (place != "out" and why.place == "out"):
        return "shown_before"
    return "mosaic_not_ready" if place == "out" and why.place == "cell" else why.reason


def _by_time(frames: Mapping[str, SeenFrame]) -> Frames:
    return tuple(sorted(frames.values(), key=lambda frame: frame.captured_at_ms))
