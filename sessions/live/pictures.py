"""Pictures that a client puts into the conversation as items: handed to the vision worker, remembered by key."""

from collections.abc import Callable
from dataclasses import replace

from sessions.live.ids import new_id
from sessions.live.items import Content, MessageItem
from sessions.live.work_desk import WorkDesk
from workers.errors import NovaError
from workers.streams import keys
from workers.streams.messages import Address, FrameRequest


def add_pictures(
    item: MessageItem,
    images: tuple[bytes, ...],
    desk: WorkDesk,
    address: Callable[[str], Address],
    on_fault: Callable[[NovaError], None],
) -> MessageItem:
    """The item with a key for each picture, in order; the worker's refusal comes later, as a fault."""
    waiting = list(images)
    contents: list[Content] = []
    for content in item.content:
        if content.kind == "input_image" and waiting:
            frame_id = new_id("frame")
            desk.request_frame(FrameRequest(address(frame_id), "upload", 0), waiting.pop(0), on_fault)
            content = replace(content, frame_key=keys.kept_frame(frame_id))
        contents.append(content)
    return replace(item, content=tuple(contents))
