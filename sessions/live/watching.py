"""The session's eyes: takes frames by time, keeps one with the worker, remembers which pictures are kept. Never decodes."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from sessions.live.config import VisionSettings
from sessions.live.work_desk import WorkDesk
from workers.errors import NovaError
from workers.language_model.contract import FramePart, FrameSource
from workers.streams import keys
from workers.streams.messages import Address, FrameKept, FrameRequest, FrameSkipped, WorkFailed

KEPT_FRAMES = 20
IN_FLIGHT_LIMIT_MS = 3_000.0
EARLY_SHARE = 0.8
"""A frame that comes a little before its time is taken: client timers jitter."""


OnFault = Callable[[NovaError, str | None], None]
"""on_fault(error, event_id): the client's event that brought the picture, where it had an id."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    frame_id: str
    image: bytes
    source: FrameSource
    captured_at_ms: int
    event_id: str | None = None


@dataclass(frozen=True, slots=True)
class SeenFrame:
    frame_id: str
    source: FrameSource
    captured_at_ms: int
    signature: str

    def part(self) -> FramePart:
        return FramePart(keys.kept_frame(self.frame_id), self.source, self.captured_at_ms)


class Watching:
    """One per session. The newest frame waits while one is with the worker; older ones drop."""

    def __init__(
        self,
        desk: WorkDesk,
        address: Callable[[str], Address],
        new_id: Callable[[], str],
        on_fault: OnFault,
    ) -> None:
        self._desk = desk
        self._address = address
        self._new_id = new_id
        self._on_fault = on_fault
        self._kept: deque[SeenFrame] = deque(maxlen=KEPT_FRAMES)
        self._taken_at_ms: dict[FrameSource, float] = {}
        self._waiting: _Waiting | None = None
        self._in_flight: _Waiting | None = None
        self._asked_at_ms = 0.0
        self._max_side_px = VisionSettings().max_side_px

    def see(
        self,
        image: bytes,
        source: FrameSource,
        captured_at_ms: int,
        settings: VisionSettings,
        now_ms: float,
        event_id: str | None = None,
    ) -> bool:
        """Returns False for a frame that came too soon after the last one of its source.

        `event_id` is the client's, for the fault that a worker may find in the frame.
        """
        taken_at_ms = self._taken_at_ms.get(source)
        if taken_at_ms is not None and now_ms - taken_at_ms < settings.frame_interval_ms * EARLY_SHARE:
            return False
        self._taken_at_ms[source] = now_ms
        self._max_side_px = settings.max_side_px
        self._waiting = _Waiting(self._new_id(), image, source, captured_at_ms, event_id)
        if self._in_flight is None or now_ms - self._asked_at_ms > IN_FLIGHT_LIMIT_MS:
            self._send_waiting(now_ms)
        return True

    def owns(self, frame_id: str) -> bool:
        return self._in_flight is not None and self._in_flight.frame_id == frame_id

    def take(self, entry: FrameKept | FrameSkipped | WorkFailed, now_ms: float) -> None:
        """The worker's answer about the frame in flight."""
        done, self._in_flight = self._in_flight, None
        if isinstance(entry, WorkFailed):
            text = f"input_video_buffer.append: {entry.text}"
            error = NovaError(text, code=entry.code, retriable=entry.retriable)
            self._on_fault(error, done.event_id if done is not None else None)
        elif done is not None:
            signature = entry.signature if isinstance(entry, FrameKept) else self._last_signature(done.source)
            self._kept.append(SeenFrame(done.frame_id, done.source, done.captured_at_ms, signature))
        self._send_waiting(now_ms)

    def choose(self, max_frames: int) -> tuple[FramePart, ...]:
        """Frames for the turn that ends now, oldest first: the newest of each source always, the rest spread over time."""
        seen = [*self._kept, *self._unkept()]
        if not seen or max_frames <= 0:
            return ()
        newest = {frame.source: frame for frame in seen}
        must = sorted(newest.values(), key=lambda frame: frame.captured_at_ms)[-max_frames:]
        others = [frame for frame in seen if frame not in must]
        chosen = [*_spread(others, max_frames - len(must)), *must]
        return tuple(frame.part() for frame in sorted(chosen, key=lambda frame: frame.captured_at_ms))

    def forget_turn(self) -> None:
        """After a turn only the newest of each source stays: it stands for what is in view."""
        newest = {frame.source: frame for frame in self._kept}
        self._kept = deque(newest.values(), maxlen=KEPT_FRAMES)

    def _unkept(self) -> list[SeenFrame]:
        """The frame that is with the worker now: its key will hold the picture in a moment."""
        flying = self._in_flight
        return [SeenFrame(flying.frame_id, flying.source, flying.captured_at_ms, "")] if flying else []

    def _last_signature(self, source: FrameSource) -> str:
        return next((frame.signature for frame in reversed(self._kept) if frame.source == source), "")

    def _send_waiting(self, now_ms: float) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            return
        self._in_flight, self._asked_at_ms = waiting, now_ms
        previous = next((frame for frame in reversed(self._kept) if frame.source == waiting.source), None)
        request = FrameRequest(
            self._address(waiting.frame_id),
            waiting.source,
            waiting.captured_at_ms,
            previous.frame_id if previous else None,
            previous.signature if previous else None,
            self._max_side_px,
            keys.KEPT_FRAME_LIFE_SECONDS,
        )
        self._desk.request_frame(request, waiting.image, lambda error: self._publish_failed(error, waiting.event_id))

    def _publish_failed(self, error: NovaError, event_id: str | None) -> None:
        self._in_flight = None
        self._on_fault(error, event_id)


def _spread(frames: list[SeenFrame], count: int) -> list[SeenFrame]:
    """`count` frames at even distances, the first included."""
    if count <= 0 or not frames:
        return []
    if len(frames) <= count:
        return frames
    step = len(frames) / count
    return [frames[int(position * step)] for position in range(count)]
