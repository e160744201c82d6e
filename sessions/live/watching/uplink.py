"""The way of live frames to the vision worker: takes them by time, one in flight, hands on what came of each. Never decodes."""

from collections.abc import Callable
from dataclasses import dataclass

from sessions.live.config import VisionSettings
from sessions.live.watching.rings import Rings
from sessions.live.work_desk import WorkDesk
from workers.errors import NovaError, PictureRejectedError
from workers.language_model.contract import FrameSource
from workers.language_model.model_table import useful_side_px
from workers.streams import keys
from workers.streams.messages import Address, FrameKept, FrameRequest, FrameSkipped, WorkFailed
from workers.vision.choice import SeenFrame
from workers.vision.sampler import Sampler, SamplerBounds

IN_FLIGHT_LIMIT_MS = 3_000.0
IN_VIEW_MS = 10_000.0
IN_VIEW_INTERVALS = 3
"""A source that has sent nothing for so long, or for so many of its intervals, is not in view any more."""

PICTURE_CODES = frozenset({"image_rejected", "image_too_large"})

OnFault = Callable[[NovaError, str | None], None]
"""on_fault(error, event_id): the client's event that brought the picture, where it had an id."""


def picture_fault(event_type: str, entry: WorkFailed) -> NovaError:
    """A picture that cannot be read is the client's fault, all else is ours."""
    kind = PictureRejectedError if entry.code in PICTURE_CODES else NovaError
    return kind(f"{event_type}: {entry.text}", code=entry.code, retriable=entry.retriable)


@dataclass(frozen=True, slots=True)
class _Waiting:
    frame_id: str
    image: bytes
    source: FrameSource
    captured_at_ms: int
    side_px: int
    event_id: str | None = None


class Uplink:
    """One per session. The newest frame of each source waits while one is with the worker; older ones drop."""

    def __init__(
        self,
        desk: WorkDesk,
        rings: Rings,
        address: Callable[[str], Address],
        new_id: Callable[[], str],
        on_fault: OnFault,
    ) -> None:
        self._desk = desk
        self._rings = rings
        self._address = address
        self._new_id = new_id
        self._on_fault = on_fault
        self._samplers: dict[FrameSource, Sampler] = {}
        self._offered_ms: dict[FrameSource, float] = {}
        self._was_skipped: dict[FrameSource, bool] = {}
        self._waiting: dict[FrameSource, _Waiting] = {}
        self._in_flight: _Waiting | None = None
        self._asked_at_ms = 0.0
        self._slow_factor = 1.0

    # --- frames of the client -----------------------------------------------------------------------------------------

    def see(
        self,
        image: bytes,
        source: FrameSource,
        captured_at_ms: int,
        settings: VisionSettings,
        model_id: str,
        now_ms: float,
        event_id: str | None = None,
    ) -> bool:
        """False for a frame that came too soon after the last one of its source.

        `event_id` is the client's, for the fault that a worker may find in the frame.
        """
        sampler = self._sampler(source, settings)
        self._offered_ms[source] = now_ms
        if not sampler.wants(now_ms):
            return False
        sampler.took(now_ms)
        side_px = useful_side_px(model_id, source, settings.max_side_px)
        self._waiting[source] = _Waiting(self._new_id(), image, source, captured_at_ms, side_px, event_id)
        if self._in_flight is None or now_ms - self._asked_at_ms > IN_FLIGHT_LIMIT_MS:
            self._send_waiting(now_ms)
        return True

    # --- the rhythm ---------------------------------------------------------------------------------------------------

    def turn_began(self) -> None:
        """The next frame of each source is taken at once."""
        for sampler in self._samplers.values():
            sampler.turn_began()

    def turn_ended(self) -> None:
        for sampler in self._samplers.values():
            sampler.turn_ended()

    def slow_down(self, factor: float) -> None:
        self._slow_factor = factor
        for sampler in self._samplers.values():
            sampler.slow_down(factor)

    def intervals_ms(self, now_ms: float) -> dict[FrameSource, int]:
        """How often each source that is shown now should send."""
        return {
            source: round(sampler.interval_ms)
            for source, sampler in self._samplers.items()
            if source in self.in_view(now_ms)
        }

    def in_view(self, now_ms: float) -> frozenset[FrameSource]:
        """The sources that are shown now, as far as can be told from what they sent."""
        return frozenset(
            source
            for source, sampler in self._samplers.items()
            if now_ms - self._offered_ms[source] < max(IN_VIEW_MS, IN_VIEW_INTERVALS * sampler.interval_ms)
        )

    # --- the worker's answers -----------------------------------------------------------------------------------------

    def owns(self, frame_id: str) -> bool:
        return self._in_flight is not None and self._in_flight.frame_id == frame_id

    def take(self, entry: FrameKept | FrameSkipped | WorkFailed, now_ms: float) -> SeenFrame | None:
        """The answer about the frame in flight. Returns the frame when it shows something new."""
        done, self._in_flight = self._in_flight, None
        seen: SeenFrame | None = None
        if isinstance(entry, WorkFailed):
            error = picture_fault("input_video_buffer.append", entry)
            self._on_fault(error, done.event_id if done is not None else None)
        elif done is not None:
            seen = self._remember(done, entry)
        self._send_waiting(now_ms)
        return seen

    def flying(self) -> SeenFrame | None:
        """The frame that is with the worker now: its key will hold the picture in a moment.

        In a still scene it is taken to look like the one before, whose picture it then stands beside.
        """
        flying = self._in_flight
        if flying is None:
            return None
        before = self._rings.newest(flying.source)
        is_still = before is not None and self._was_skipped.get(flying.source, False)
        signature = before.signature if is_still and before is not None else ""
        size = (before.width_px, before.height_px) if before is not None else (0, 0)
        return SeenFrame(flying.frame_id, flying.source, flying.captured_at_ms, signature, 0.0, *size, 0)

    def _remember(self, done: _Waiting, entry: FrameKept | FrameSkipped) -> SeenFrame | None:
        self._samplers[done.source].saw(entry.change)
        self._was_skipped[done.source] = isinstance(entry, FrameSkipped)
        if isinstance(entry, FrameSkipped):
            self._rings.seen_again(done.source, done.frame_id, done.captured_at_ms)
            return None
        size = (entry.width_px, entry.height_px, entry.size_bytes)
        frame = SeenFrame(done.frame_id, done.source, done.captured_at_ms, entry.signature, entry.change, *size)
        self._rings.add(frame)
        return frame

    # --- inside -------------------------------------------------------------------------------------------------------

    def _sampler(self, source: FrameSource, settings: VisionSettings) -> Sampler:
        sampler = self._samplers.get(source)
        if sampler is None:
            bounds = SamplerBounds(
                settings.frame_interval_ms, settings.fastest_interval_ms, settings.slowest_interval_ms
            )
            sampler = self._samplers[source] = Sampler(bounds)
            sampler.slow_down(self._slow_factor)
        return sampler

    def _send_waiting(self, now_ms: float) -> None:
        """The source that has waited longest comes first, so that neither camera nor screen starves."""
        if not self._waiting:
            return
        waiting = self._waiting.pop(next(iter(self._waiting)))
        self._in_flight, self._asked_at_ms = waiting, now_ms
        previous = self._rings.newest(waiting.source)
        request = FrameRequest(
            self._address(waiting.frame_id),
            waiting.source,
            waiting.captured_at_ms,
            previous.frame_id if previous else None,
            previous.signature if previous else None,
            waiting.side_px,
            keys.KEPT_FRAME_LIFE_SECONDS,
        )
        self._desk.request_frame(request, waiting.image, lambda error: self._publish_failed(error, waiting.event_id))

    def _publish_failed(self, error: NovaError, event_id: str | None) -> None:
        self._in_flight = None
        self._on_fault(error, event_id)
