"""Pictures that a client puts into the conversation as items: handed to the vision worker, whole while they are new."""

from collections.abc import Callable
from dataclasses import replace

from sessions.live.ids import new_id
from sessions.live.items import Content, MessageItem
from sessions.live.watching.uplink import OnFault, picture_fault
from sessions.live.work_desk import WorkDesk
from workers.streams import keys
from workers.streams.messages import Address, FrameKept, FrameRequest, WorkFailed
from workers.vision.choice import SeenFrame

EVENT_IDS_KEPT = 64
ITEMS_KEPT = 64
MAX_PICTURES_OF_ITEM = 8
"""Beyond it the rest of an item's pictures are refused: twenty is the most that any model takes in a whole request."""


class Uploads:
    """One per session. What a worker finds wrong comes later, as a fault that names the client's event."""

    def __init__(self, desk: WorkDesk, address: Callable[[str], Address], on_fault: OnFault) -> None:
        self._desk = desk
        self._address = address
        self._on_fault = on_fault
        self._event_ids: dict[str, str] = {}
        self._by_item: dict[str, dict[str, SeenFrame | None]] = {}

    def add(
        self, item: MessageItem, images: tuple[bytes, ...], side_px: int, at_ms: int, event_id: str | None
    ) -> MessageItem:
        """The item with a key for each picture, in order. `at_ms` is since 1970."""
        waiting = list(images)
        contents: list[Content] = []
        frames: dict[str, SeenFrame | None] = {}
        for content in item.content:
            if content.kind == "input_image" and waiting and len(frames) < MAX_PICTURES_OF_ITEM:
                frame_id = self._hand_over(waiting.pop(0), side_px, at_ms, event_id)
                frames[frame_id] = None
                content = replace(content, frame_key=keys.kept_frame(frame_id), captured_at_ms=at_ms)
            contents.append(content)
        self._by_item[item.item_id] = frames
        while len(self._by_item) > ITEMS_KEPT:
            del self._by_item[next(iter(self._by_item))]
        return replace(item, content=tuple(contents))

    def owns(self, frame_id: str) -> bool:
        return any(frame_id in frames for frames in self._by_item.values())

    def kept(self, entry: FrameKept) -> None:
        for frames in self._by_item.values():
            if entry.reply_id in frames:
                size = (entry.width_px, entry.height_px, entry.size_bytes)
                signature, at_ms = entry.signature, entry.captured_at_ms
                frames[entry.reply_id] = SeenFrame(entry.reply_id, "upload", at_ms, signature, 1.0, *size)

    def failed(self, entry: WorkFailed) -> None:
        """The worker's refusal of one of these pictures."""
        for frames in self._by_item.values():
            frames.pop(entry.reply_id, None)
        error = picture_fault("conversation.item.create", entry)
        self._on_fault(error, self._event_ids.pop(entry.reply_id, None))

    def items(self) -> tuple[str, ...]:
        """Items with pictures, the newest last."""
        return tuple(item_id for item_id, frames in self._by_item.items() if frames)

    def frames_of(self, item_id: str) -> tuple[SeenFrame, ...]:
        """Those that a worker has kept."""
        return tuple(frame for frame in self._by_item.get(item_id, {}).values() if frame is not None)

    def forget(self, item_id: str) -> None:
        """Its pictures are remembered elsewhere."""
        self._by_item.pop(item_id, None)

    def _hand_over(self, image: bytes, side_px: int, at_ms: int, event_id: str | None) -> str:
        frame_id = new_id("frame")
        request = FrameRequest(self._address(frame_id), "upload", at_ms, max_side_px=side_px)
        self._desk.request_frame(request, image, lambda error: self._on_fault(error, event_id))
        if event_id is not None:
            self._event_ids[frame_id] = event_id
            while len(self._event_ids) > EVENT_IDS_KEPT:
                del self._event_ids[next(iter(self._event_ids))]
        return frame_id
