"""Asks the vision worker for mosaics ahead of time and remembers the last one that is ready; nothing ever waits for one."""

from collections.abc import Callable

import structlog

from sessions.live.watching.album import Mosaic
from sessions.live.work_desk import WorkDesk
from workers.errors import NovaError
from workers.streams import keys
from workers.streams.messages import Address, MosaicCell, MosaicKept, MosaicRequest, WorkFailed
from workers.vision.choice import SeenFrame

logger = structlog.get_logger(__name__)

IN_FLIGHT_LIMIT_MS = 3_000.0
FEWEST_CELLS = 2
"""One older frame goes as it is."""

Frames = tuple[SeenFrame, ...]


class Mosaics:
    """One per session. One mosaic is made at a time; of those asked for meanwhile only the last is made."""

    def __init__(self, desk: WorkDesk, address: Callable[[str], Address], new_id: Callable[[], str]) -> None:
        self._desk = desk
        self._address = address
        self._new_id = new_id
        self._making: tuple[str, Frames] | None = None
        self._wanted: Frames | None = None
        self._asked_at_ms = 0.0
        self.ready: Mosaic | None = None

    def ask(self, frames: Frames, model_id: str, clock_started_at_ms: int, now_ms: float) -> None:
        """Nothing is made of fewer than two frames, nor of those that the last mosaic shows already."""
        newest = self._making[1] if self._making is not None else self.ready.frames if self.ready is not None else ()
        if len(frames) < FEWEST_CELLS or _ids(frames) == _ids(newest):
            return
        if self._making is not None and now_ms - self._asked_at_ms < IN_FLIGHT_LIMIT_MS:
            self._wanted = frames
            return
        self._model_id, self._clock_started_at_ms = model_id, clock_started_at_ms
        self._send(frames, now_ms)

    def owns(self, mosaic_id: str) -> bool:
        return self._making is not None and self._making[0] == mosaic_id

    def take(self, entry: MosaicKept | WorkFailed, now_ms: float) -> None:
        """A mosaic that could not be made is not asked for again: the next turn asks for another."""
        making, self._making = self._making, None
        if making is not None and isinstance(entry, MosaicKept):
            there = set(entry.frame_ids)
            frames = tuple(frame for frame in making[1] if frame.frame_id in there)
            self.ready = Mosaic(making[0], frames, entry.width_px, entry.height_px)
        elif isinstance(entry, WorkFailed):
            logger.warning("mosaic_failed", mosaic_id=entry.reply_id, code=entry.code)
        wanted, self._wanted = self._wanted, None
        if wanted is not None:
            self._send(wanted, now_ms)

    def _send(self, frames: Frames, now_ms: float) -> None:
        mosaic_id = self._new_id()
        self._making, self._asked_at_ms = (mosaic_id, frames), now_ms
        cells = tuple(MosaicCell(frame.frame_id, frame.source, frame.captured_at_ms) for frame in frames)
        request = MosaicRequest(
            self._address(mosaic_id), cells, self._model_id, self._clock_started_at_ms, keys.KEPT_FRAME_LIFE_SECONDS
        )
        self._desk.request_mosaic(request, self._publish_failed)

    def _publish_failed(self, error: NovaError) -> None:
        logger.warning("mosaic_not_asked_for", code=error.code)
        self._making = None


def _ids(frames: Frames) -> frozenset[str]:
    return frozenset(frame.frame_id for frame in frames)
