"""What each source has shown since the last turn: scenes, oldest first, bounded, spread over the time; knows no bytes."""

from dataclasses import replace

from workers.language_model.contract import FrameSource
from workers.vision.choice import SeenFrame

RING_SCENES = 16
NAMES_KEPT = 64


class Rings:
    """One per session. A frame that looks like the one before only renews that one's time: a scene is one entry."""

    def __init__(self) -> None:
        self._rings: dict[FrameSource, list[SeenFrame]] = {}
        self._same_as: dict[str, str] = {}

    def add(self, frame: SeenFrame) -> None:
        ring = self._rings.setdefault(frame.source, [])
        ring.append(frame)
        if len(ring) > RING_SCENES:
            del ring[_least_missed(ring)]

    def seen_again(self, source: FrameSource, frame_id: str, captured_at_ms: int) -> None:
        """The newest scene of the source is still in view; `frame_id` is another name of its picture."""
        ring = self._rings.get(source)
        if ring:
            ring[-1] = replace(ring[-1], captured_at_ms=captured_at_ms)
            self._same_as[frame_id] = ring[-1].frame_id
            while len(self._same_as) > NAMES_KEPT:
                del self._same_as[next(iter(self._same_as))]

    def find(self, frame_id: str) -> SeenFrame | None:
        wanted = self._same_as.get(frame_id, frame_id)
        return next((frame for frame in self.frames() if frame.frame_id == wanted), None)

    def newest(self, source: FrameSource) -> SeenFrame | None:
        ring = self._rings.get(source)
        return ring[-1] if ring else None

    def newest_of(self, sources: frozenset[FrameSource]) -> tuple[SeenFrame, ...]:
        """Of each, oldest first."""
        newest = (ring[-1] for source, ring in self._rings.items() if ring and source in sources)
        return tuple(sorted(newest, key=lambda frame: frame.captured_at_ms))

    def frames(self) -> list[SeenFrame]:
        """Of all sources, in the order of their time."""
        return sorted(
            (frame for ring in self._rings.values() for frame in ring), key=lambda frame: frame.captured_at_ms
        )

    def forget_turn(self, in_view: frozenset[FrameSource]) -> None:
        """Of what is in view the newest stays; what is not has left with the turn that was asked about it."""
        self._rings = {source: ring[-1:] for source, ring in self._rings.items() if source in in_view}

    @property
    def sources(self) -> frozenset[FrameSource]:
        return frozenset(self._rings)


def _least_missed(ring: list[SeenFrame]) -> int:
    """The place of the frame whose neighbours are closest to one another; never the first or the newest."""
    gaps = {at: ring[at + 1].captured_at_ms - ring[at - 1].captured_at_ms for at in range(1, len(ring) - 1)}
    return min(gaps, key=lambda at: gaps[at])
