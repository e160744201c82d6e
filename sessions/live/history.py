"""The conversation so far as items, and the model's view of it: only what was said and what was really heard."""

import dataclasses
from collections.abc import Iterable
from itertools import islice

from sessions.live.items import Content, FunctionCallItem, FunctionOutputItem, Item, MessageItem
from workers.errors import BadInputError
from workers.language_model.contract import (
    FramePart,
    StoredMessage,
    StoredPart,
    TextPart,
    ToolResultPart,
    ToolUsePart,
)
from workers.streams.codec import json_object

MAX_ITEMS = 2_000


@dataclasses.dataclass(frozen=True, slots=True)
class Remembered:
    """What of earlier pictures goes with which item of the user, and items whose own pictures are shown no more."""

    by_item: tuple[tuple[str, tuple[StoredPart, ...]], ...] = ()
    without_pictures: frozenset[str] = frozenset()


NOTHING_REMEMBERED = Remembered()


class History:
    """Owned by one live session; items are immutable and replaced whole. Beyond MAX_ITEMS the oldest goes."""

    def __init__(self) -> None:
        self._items: dict[str, Item] = {}

    def __len__(self) -> int:
        return len(self._items)

    def find(self, item_id: str) -> Item | None:
        return self._items.get(item_id)

    @property
    def last_item_id(self) -> str | None:
        return next(reversed(self._items), None)

    def newest(self, count: int) -> list[Item]:
        """In the order of the talk."""
        return list(self._items.values())[-count:]

    def take_up(self, items: Iterable[Item]) -> None:
        """As they are: a call's result may have been kept without its call."""
        self._items = {item.item_id: item for item in items}

    def add(self, item: Item, after: str | None = None) -> str | None:
        """Append, or insert after `after` ("root": first). Returns the id before it. Raises BadInputError."""
        if item.item_id in self._items:
            raise BadInputError(f"an item {item.item_id!r} exists already", field="item.id")
        if isinstance(item, FunctionOutputItem) and not self._has_call(item.call_id):
            raise BadInputError(
                f"no function call has the id {item.call_id!r}", field="item.call_id", code="invalid_tool_call_id"
            )
        if after is None or after == self.last_item_id:
            previous = self.last_item_id
            self._items[item.item_id] = item
        else:
            previous = self._insert(item, after)
        while len(self._items) > MAX_ITEMS:
            del self._items[next(iter(self._items))]
        return previous

    def _has_call(self, call_id: str) -> bool:
        return any(isinstance(item, FunctionCallItem) and item.call_id == call_id for item in self._items.values())

    def _insert(self, item: Item, after: str) -> str | None:
        if after != "root" and after not in self._items:
            raise BadInputError(f"there is no item {after!r}", field="previous_item_id")
        rebuilt: dict[str, Item] = {item.item_id: item} if after == "root" else {}
        for key, known in self._items.items():
            rebuilt[key] = known
            if key == after:
                rebuilt[item.item_id] = item
        self._items = rebuilt
        return None if after == "root" else after

    def replace(self, item: Item) -> None:
        if item.item_id in self._items:
            self._items[item.item_id] = item

    def delete(self, item_id: str) -> None:
        if item_id not in self._items:
            raise BadInputError(f"there is no item {item_id!r}", field="item_id", code="item_not_found")
        del self._items[item_id]

    def cut_to(self, item_id: str, heard_text: str) -> MessageItem | None:
        """Keep only what was heard of an assistant's message. Returns the new item, None when there is none."""
        item = self._items.get(item_id)
        if not isinstance(item, MessageItem) or item.role != "assistant":
            return None
        kind = item.content[0].kind if item.content else "output_audio"
        cut = dataclasses.replace(item, content=(Content(kind, heard_text),), status="incomplete")
        self._items[item_id] = cut
        return cut

    def instructions(self) -> str:
        """The texts of system items, in order; they join the system prompt because Nova has no system role in messages."""
        return "\n".join(
            text
            for item in self._items.values()
            if isinstance(item, MessageItem) and item.role == "system"
            for text in (_text_of(item),)
            if text
        )

    @property
    def ends_with_users_words(self) -> bool:
        """The newest item is one that an answer may be asked for."""
        newest = self._items.get(self.last_item_id or "")
        return newest is not None and _is_users(newest)

    @property
    def is_nothing_to_answer(self) -> bool:
        """The user's newest turns brought no words, and what came before them was not the user's or was answered."""
        newest_first = reversed(self._items.values())
        count_without_words = 0
        for item in newest_first:
            if not _is_users(item) or _message(item) is not None:
                return count_without_words > 0 and not _is_users(item)
            count_without_words += 1
        return count_without_words > 0

    @property
    def last_user_item_id(self) -> str | None:
        """The user's newest message, be it spoken or typed."""
        newest_first = reversed(self._items.values())
        return next((item.item_id for item in newest_first if isinstance(item, MessageItem) and _is_users(item)), None)

    @property
    def items_with_pictures(self) -> tuple[str, ...]:
        """Oldest first."""
        messages = (item for item in self._items.values() if isinstance(item, MessageItem))
        return tuple(item.item_id for item in messages if any(content.frame_key for content in item.content))

    @property
    def item_ids(self) -> frozenset[str]:
        return frozenset(self._items)

    def for_model(
        self, max_messages: int, without: Iterable[str] = (), remembered: Remembered = NOTHING_REMEMBERED
    ) -> tuple[StoredMessage, ...]:
        """The last `max_messages` with content, oldest first; roles may still repeat: the provider's side joins them."""
        left_out, extra = set(without), dict(remembered.by_item)
        newest_first = (
            _message(item, extra.get(key, ()), key not in remembered.without_pictures)
            for key, item in reversed(self._items.items())
            if key not in left_out
        )
        kept = list(islice((message for message in newest_first if message is not None), max_messages))
        return tuple(reversed(kept))


def items_for_model(items: Iterable[Item]) -> tuple[StoredMessage, ...]:
    return tuple(message for message in map(_message, items) if message is not None)


def _is_users(item: Item) -> bool:
    return isinstance(item, FunctionOutputItem) or (isinstance(item, MessageItem) and item.role == "user")


def _text_of(item: MessageItem) -> str:
    return " ".join([content.text for content in item.content if content.text]).strip()


def _message(item: Item, extra: tuple[StoredPart, ...] = (), has_pictures: bool = True) -> StoredMessage | None:
    if isinstance(item, FunctionCallItem):
        return StoredMessage("assistant", (ToolUsePart(item.call_id, item.name, json_object(item.arguments)),))
    if isinstance(item, FunctionOutputItem):
        return StoredMessage("user", (ToolResultPart(item.call_id, item.output),))
    if item.role == "system":
        return None
    parts: list[StoredPart] = list(extra)
    if has_pictures:
        parts += [
            FramePart(content.frame_key, "upload", content.captured_at_ms)
            for content in item.content
            if content.frame_key
        ]
    text = _text_of(item)
    if text:
        parts.append(TextPart(text))
    return StoredMessage(item.role, tuple(parts)) if parts else None
