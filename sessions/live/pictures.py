"""Pictures that a client puts into the conversation as items: handed to the vision worker, remembered by key."""

from collections.abc import Callable
from dataclasses import replace

from sessions.live.ids import new_id
from sessions.live.items import Content, MessageItem
from sessions.live.watching import OnFault
from sessions.live.work_desk import WorkDesk
from workers.errors import NovaError
from workers.streams import keys
from workers.streams.messages import Address, FrameRequest, WorkFailed

_EVENT_IDS_KEPT = 64


class Pictures:
    """One per session. What a worker finds wrong comes later, as a fault that names the client's event."""

    def __init__(self, desk: WorkDesk, address: Callable[[str], Address], on_fault: OnFault) -> None:
        self._desk = desk
        self._address = address
        self._on_fault = on_fault
        self._event_ids: dict[str, str] = {}

    def add(self, item: MessageItem, images: tuple[bytes, ...], event_id: str | None) -> MessageItem:
        """The item with a key for each picture, in order."""
        waiting = list(images)
        contents: list[Content] = []
        for content in item.content:
            if content.kind == "input_image" and waiting:
                content = replace(content, frame_key=keys.kept_frame(self._hand_over(waiting.pop(0), event_id)))
            contents.append(content)
        return replace(item, content=tuple(contents))

    def failed(self, entry: WorkFailed) -> None:
        """The worker's refusal of one of these pictures."""
        error = NovaError(f"conversation.item.create: {entry.text}", code=entry.code, retriable=entry.retriable)
        self._on_fault(error, self._event_ids.pop(entry.reply_id, None))

    def _hand_over(self, image: bytes, event_id: str | None) -> str:
        frame_id = new_id("frame")
        request = FrameRequest(self._address(frame_id), "upload", 0)
        self._desk.request_frame(request, image, lambda error: self._on_fault(error, event_id))
        if event_id is not None:
            self._event_ids[frame_id] = event_id
            while len(self._event_ids) > _EVENT_IDS_KEPT:
                del self._event_ids[next(iter(self._event_ids))]
        return frame_id
