"""Which frames a request shows the model, and why each is in or out. Pure; decodes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Final, Literal

from workers.language_model.contract import FrameSource
from workers.language_model.model_table import model_facts, picture_tokens
from workers.vision.budget import BudgetStep
from workers.vision.mosaic_layout import MAX_CELLS, mosaic_tokens
from workers.vision.signature import SCENE_CHANGE, twins

Place = Literal["picture", "cell", "out"]
Reason = Literal[
    "newest",
    "scene_change",
    "while_speaking",
    "spread",
    "same_as_another",
    "just_before",
    "over_limit",
    "budget",
    "model_sees_nothing",
]

JUST_BEFORE_MS: Final = 1_500
USUAL_CELLS: Final = 6
_CELLS: Final[dict[BudgetStep, int]] = {"full": MAX_CELLS, "slower": USUAL_CELLS, "fewer": 4, "mosaic": 6, "none": 0}
_USUAL_PROPORTION: Final = 16 / 9


@dataclass(frozen=True, slots=True)
class SeenFrame:
    """One kept frame. `signature` is "" and the sizes 0 while it is still with the worker."""

    frame_id: str
    source: FrameSource
    captured_at_ms: int
    signature: str = ""
    change: float = 0.0
    width_px: int = 0
    height_px: int = 0
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class FrameReason:
    frame_id: str
    place: Place
    reason: Reason


@dataclass(frozen=True, slots=True)
class Choice:
    """All oldest first. `cells` go together as one mosaic; when there is none yet, `singles` go in its stead."""

    pictures: tuple[SeenFrame, ...] = ()
    cells: tuple[SeenFrame, ...] = ()
    singles: tuple[SeenFrame, ...] = ()
    reasons: tuple[FrameReason, ...] = ()
    tokens_with_mosaic: int = 0
    tokens_with_singles: int = 0


@dataclass(frozen=True, slots=True)
class Window:
    """From when to when the user spoke, on the clock of `captured_at_ms`."""

    started_at_ms: int
    ended_at_ms: int

    def holds(self, frame: SeenFrame) -> bool:
        return self.started_at_ms <= frame.captured_at_ms <= self.ended_at_ms


def choose(
    frames: Sequence[SeenFrame],
    *,
    model_id: str,
    step: BudgetStep,
    max_pictures: int,
    speech: Window | None = None,
) -> Choice:
    """The newest of each source always; of the others those that show something else, by scene, speech and time.

    `max_pictures` bounds the pictures of this turn in one request, a mosaic counted as one; the model's own limit holds too.
    """
    facts = model_facts(model_id)
    room = min(max_pictures, facts.max_pictures)
    if not facts.sees or step == "none" or room <= 0:
        reason: Reason = "model_sees_nothing" if not facts.sees else "budget" if step == "none" else "over_limit"
        return Choice(reasons=tuple(FrameReason(frame.frame_id, "out", reason) for frame in frames))
    return _Choosing(frames, model_id, step, room, speech).choice()


class _Choosing:
    """One choice in the making; `_why` holds what was decided about each frame so far."""

    def __init__(
        self, frames: Sequence[SeenFrame], model_id: str, step: BudgetStep, room: int, speech: Window | None
    ) -> None:
        by_id = {frame.frame_id: frame for frame in frames}
        self._newest_first = sorted(by_id.values(), key=lambda frame: frame.captured_at_ms, reverse=True)
        self._model_id = model_id
        self._step: BudgetStep = step
        self._room = room
        self._speech = speech
        self._why: dict[str, tuple[Place, Reason]] = {}
        self._change = {frame.frame_id: frame.change for frame in by_id.values()}

    def choice(self) -> Choice:
        newest = self._newest()
        distinct = self._distinct([frame for frame in self._newest_first if frame not in newest], newest)
        newest, distinct = self._with_change(newest), self._with_change(distinct)
        if self._step == "mosaic" and distinct:
            cells = _by_time([*self._picked(distinct, _CELLS["mosaic"] - len(newest)), *newest])
            return self._told((), cells, newest[:1])
        if len(newest) >= self._room:
            self._leave_out(distinct, "over_limit")
            return self._told(newest, [], [])
        cells = self._picked(distinct, self._cell_limit(distinct))
        if len(cells) == 1:
            return self._told([*newest, *cells], [], [])
        singles_left = {"full": self._room - len(newest), "slower": 1}.get(self._step, 0)
        return self._told(newest, cells, cells[::-1][:singles_left])

    def _newest(self) -> list[SeenFrame]:
        newest: dict[FrameSource, SeenFrame] = {}
        for frame in self._newest_first:
            newest.setdefault(frame.source, frame)
        kept = list(newest.values())[: 1 if self._step == "mosaic" and self._room == 1 else self._room]
        self._leave_out([frame for frame in newest.values() if frame not in kept], "over_limit")
        self._take(kept, "newest")
        return kept

    def _distinct(self, others: list[SeenFrame], newest: list[SeenFrame]) -> list[SeenFrame]:
        """Without those that show what a newer one of their source shows, which takes over how much had changed."""
        others = [frame for frame in others if frame.frame_id not in self._why]
        others = self._without_just_before(others, newest)
        for source in {frame.source for frame in others}:
            rivals = [frame for frame in (*newest, *others) if frame.source == source]
            for frame, twin in zip(rivals, twins([frame.signature for frame in rivals]), strict=True):
                if twin is not None:
                    self._why.setdefault(frame.frame_id, ("out", "same_as_another"))
                    self._take_over(rivals[twin], frame)
        return [frame for frame in others if frame.frame_id not in self._why]

    def _without_just_before(self, others: list[SeenFrame], newest: list[SeenFrame]) -> list[SeenFrame]:
        """While the looks of the newest are not known yet, the one right before it most likely shows the same."""
        for unknown in (frame for frame in newest if not frame.signature):
            before = next((frame for frame in others if frame.source == unknown.source), None)
            if before is not None and unknown.captured_at_ms - before.captured_at_ms <= JUST_BEFORE_MS:
                self._why[before.frame_id] = ("out", "just_before")
                same = [frame for frame in others if frame.source == unknown.source]
                for frame, twin in zip(same, twins([frame.signature for frame in same]), strict=True):
                    if twin == 0:
                        self._why[frame.frame_id] = ("out", "same_as_another")
                        self._take_over(unknown, frame)
        return [frame for frame in others if frame.frame_id not in self._why]

    def _take_over(self, kept: SeenFrame, dropped: SeenFrame) -> None:
        self._change[kept.frame_id] = max(self._change[kept.frame_id], dropped.change)

    def _with_change(self, frames: list[SeenFrame]) -> list[SeenFrame]:
        return [replace(frame, change=self._change[frame.frame_id]) for frame in frames]

    def _cell_limit(self, distinct: list[SeenFrame]) -> int:
        """More cells make a dearer mosaic, which only many scenes are worth."""
        limit = _CELLS[self._step]
        return limit if len(_scenes(distinct)) > USUAL_CELLS else min(limit, USUAL_CELLS)

    def _picked(self, distinct: list[SeenFrame], limit: int) -> list[SeenFrame]:
        """Scenes first, then what was in view while the user spoke, then the rest over time. Oldest first."""
        scenes = _scenes(distinct)
        spoken = [frame for frame in distinct if frame not in scenes and self._is_spoken_over(frame)]
        rest = [frame for frame in distinct if frame not in scenes and frame not in spoken]
        picked: list[SeenFrame] = []
        kinds: tuple[tuple[list[SeenFrame], Reason], ...] = (
            (scenes, "scene_change"),
            (spoken, "while_speaking"),
            (rest, "spread"),
        )
        for kind, reason in kinds:
            chosen = _spread(kind, limit - len(picked))
            self._take(chosen, reason, "cell")
            picked += chosen
        self._leave_out(distinct, "over_limit" if self._step in ("full", "slower") else "budget")
        return _by_time(picked)

    def _is_spoken_over(self, frame: SeenFrame) -> bool:
        return self._speech is not None and self._speech.holds(frame)

    def _take(self, frames: list[SeenFrame], reason: Reason, place: Place = "picture") -> None:
        for frame in frames:
            self._why[frame.frame_id] = (place, reason)

    def _leave_out(self, frames: list[SeenFrame], reason: Reason) -> None:
        for frame in frames:
            self._why.setdefault(frame.frame_id, ("out", reason))

    def _told(self, pictures: Sequence[SeenFrame], cells: list[SeenFrame], singles: Sequence[SeenFrame]) -> Choice:
        places: dict[str, Place] = {frame.frame_id: "picture" for frame in pictures}
        places |= {frame.frame_id: "cell" for frame in cells}
        single_tokens = self._tokens(pictures)
        mosaic = mosaic_tokens(len(cells), _proportion(cells), self._model_id) if cells else 0
        reasons = (
            FrameReason(frame.frame_id, places.get(frame.frame_id, "out"), self._why[frame.frame_id][1])
            for frame in reversed(self._newest_first)
        )
        return Choice(
            tuple(_by_time(pictures)),
            tuple(cells),
            tuple(_by_time(singles)),
            tuple(reasons),
            single_tokens + mosaic,
            single_tokens + self._tokens(singles),
        )

    def _tokens(self, frames: Sequence[SeenFrame]) -> int:
        return sum(picture_tokens(self._model_id, frame.width_px, frame.height_px) for frame in frames)


def _scenes(frames: list[SeenFrame]) -> list[SeenFrame]:
    return [frame for frame in frames if frame.change >= SCENE_CHANGE]


def _by_time(frames: Sequence[SeenFrame]) -> list[SeenFrame]:
    return sorted(frames, key=lambda frame: frame.captured_at_ms)


def _spread(newest_first: list[SeenFrame], count: int) -> list[SeenFrame]:
    """`count` of them at even distances in time; of those close together the one that changed most."""
    if count <= 0 or len(newest_first) <= count:
        return newest_first[: max(0, count)]
    newest, oldest = newest_first[0].captured_at_ms, newest_first[-1].captured_at_ms
    width = max(1.0, (newest - oldest) / count)
    best: dict[int, SeenFrame] = {}
    for frame in newest_first:
        part = min(count - 1, int((newest - frame.captured_at_ms) / width))
        if part not in best or frame.change > best[part].change:
            best[part] = frame
    spare = [frame for frame in newest_first if frame not in best.values()]
    return [*best.values(), *spare[: count - len(best)]]


def _proportion(frames: Sequence[SeenFrame]) -> float:
    known = [frame.width_px / frame.height_px for frame in frames if frame.height_px]
    return median(known) if known else _USUAL_PROPORTION
