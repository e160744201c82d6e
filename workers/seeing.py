"""The body of `compress_frame`: looks at a client's frame, or draws kept ones as a mosaic, and keeps the picture."""

from typing import Final

import redis

from workers.errors import PictureRejectedError
from workers.streams import kept_pictures, keys
from workers.streams.messages import (
    FrameKept,
    FrameRequest,
    FrameSkipped,
    MosaicCell,
    MosaicKept,
    MosaicRequest,
    OutputEntry,
)
from workers.vision.clock import moment
from workers.vision.compressor import ClientPicture, KeptPicture
from workers.vision.mosaic import MosaicPicture, compose
from workers.vision.signature import change_between, is_near_identical

_SESSION_OVER: Final = "the session has ended, so its picture was not kept"


class Eye:
    """Made once per vision process. All methods raise NovaError and RedisError."""

    def __init__(self, client: "redis.Redis") -> None:
        self._client = client

    def look(self, request: FrameRequest, image: bytes) -> OutputEntry:
        """A frame that shows what the one before showed costs one small decoding, and none of its bytes are kept."""
        address = request.address
        picture = ClientPicture(image)
        seen, before = picture.signature, request.previous_signature or ""
        same_as_id = self._stand_in(request) if is_near_identical(before, seen) else None
        if same_as_id is not None:
            ids = (address.session_id, address.generation, address.reply_id)
            return FrameSkipped(*ids, request.source, request.captured_at_ms, same_as_id, change_between(before, seen))
        kept = picture.kept(request.max_side_px, request.source)
        self._keep_frame(request, kept)
        return _frame_kept(request, kept, seen, change_between(before, seen))

    def compose(self, request: MosaicRequest) -> OutputEntry:
        """Of those frames that are still there; they are held, as the next mosaic will want them again."""
        address = request.address
        found = kept_pictures.load(self._client, [keys.kept_frame(cell.frame_id) for cell in request.cells])
        cells = [cell for cell in request.cells if keys.kept_frame(cell.frame_id) in found]
        has_sources = len({cell.source for cell in cells}) > 1
        pictures = [
            MosaicPicture(found[keys.kept_frame(cell.frame_id)], _mark(cell, request.clock_started_at_ms, has_sources))
            for cell in cells
        ]
        kept = compose(pictures, request.model)
        frame_ids = tuple(cell.frame_id for cell in cells)
        self._keep_mosaic(request, kept, frame_ids)
        ids = (address.session_id, address.generation, address.reply_id)
        return MosaicKept(*ids, kept.width_px, kept.height_px, len(kept.data), frame_ids)

    def _stand_in(self, request: FrameRequest) -> str | None:
        if request.previous_frame_id is None:
            return None
        return kept_pictures.stand_in(
            self._client,
            request.address.session_id,
            request.address.reply_id,
            request.previous_frame_id,
            life_seconds=request.keep_seconds,
            source=request.source,
            captured_at_ms=request.captured_at_ms,
        )

    def _keep_frame(self, request: FrameRequest, kept: KeptPicture) -> None:
        address = request.address
        is_kept = kept_pictures.keep(
            self._client,
            address.session_id,
            address.reply_id,
            kept.data,
            kind="uploads" if request.source == "upload" else "stream",
            life_seconds=request.keep_seconds,
            source=request.source,
            captured_at_ms=request.captured_at_ms,
        )
        _refuse_unless(is_kept)

    def _keep_mosaic(self, request: MosaicRequest, kept: KeptPicture, frame_ids: tuple[str, ...]) -> None:
        session_id, life_seconds = request.address.session_id, request.keep_seconds
        is_kept = kept_pictures.keep(
            self._client,
            session_id,
            request.address.reply_id,
            kept.data,
            kind="mosaics",
            life_seconds=life_seconds,
        )
        _refuse_unless(is_kept)
        kept_pictures.hold_as_cells(self._client, session_id, frame_ids, life_seconds=life_seconds)


def _refuse_unless(is_kept: bool) -> None:
    if not is_kept:
        raise PictureRejectedError(_SESSION_OVER, code="session_ended")


def _frame_kept(request: FrameRequest, kept: KeptPicture, signature: str, change: float) -> FrameKept:
    address = request.address
    return FrameKept(
        address.session_id,
        address.generation,
        address.reply_id,
        request.source,
        request.captured_at_ms,
        kept.width_px,
        kept.height_px,
        len(kept.data),
        signature,
        change,
    )


def _mark(cell: MosaicCell, clock_started_at_ms: int, has_sources: bool) -> str:
    time = moment(cell.captured_at_ms, clock_started_at_ms)
    return f"{cell.source} {time}" if has_sources else time
