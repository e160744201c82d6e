"""Events of a client to what they ask of the live session; refuses by BadInputError, answers by facts."""

import time
from collections.abc import Callable
from typing import Any

from sessions.live.items import FunctionCallItem, FunctionOutputItem, Item
from sessions.live.transport import Conversation, ReplyOptions
from sessions.realtime import client_events as client
from sessions.realtime.client_fields import ItemReference, ResponseFields
from sessions.realtime.items_wire import check_is_picture, item_from_client
from sessions.realtime.outbound import Outbound
from sessions.realtime.session_wire import (
    changes_from_client,
    check_tool_choice,
    choice_from_client,
    modality_from_client,
    tools_from_client,
)
from sessions.session_fields import G711_RATE_HZ
from workers.errors import BadInputError


class Inbound:
    def __init__(self, conversation: Conversation, outbound: Outbound) -> None:
        self._conversation = conversation
        self._outbound = outbound
        self._handlers = self._all_handlers()

    def _all_handlers(self) -> dict[type[client.ClientEvent], Callable[[Any], None]]:
        conversation = self._conversation
        return {
            client.SessionUpdate: self._update,
            client.InputAudioBufferAppend: self._hear,
            client.InputAudioBufferCommit: lambda e: conversation.commit_input(e.event_id),
            client.InputAudioBufferClear: lambda _: conversation.clear_input(),
            client.InputVideoBufferAppend: self._see,
            client.OutputAudioBufferProgress: lambda e: conversation.report_progress(e.item_id, e.audio_end_ms),
            client.OutputAudioBufferClear: self._clear_output,
            client.ConversationItemCreate: self._create_item,
            client.ConversationItemRetrieve: self._retrieve_item,
            client.ConversationItemTruncate: self._truncate_item,
            client.ConversationItemDelete: lambda e: conversation.delete_item(e.item_id),
            client.ResponseCreate: self._create_reply,
            client.ResponseCancel: lambda e: conversation.cancel_reply(e.response_id, e.event_id),
        }

    def take(self, event: client.ClientEvent) -> None:
        """Raises a NovaError for what the session refuses at once."""
        self._handlers[type(event)](event)

    def audio_seconds(self, event: client.InputAudioBufferAppend) -> float:
        config = self._conversation.config
        if config.input_format == "audio/pcm":
            return len(event.audio) / 2 / config.input_rate_hz
        return len(event.audio) / G711_RATE_HZ

    def _update(self, event: client.SessionUpdate) -> None:
        changes = changes_from_client(event.session, self._conversation.config)
        if event.nova is not None or event.session.nova is not None:
            self._outbound.speaks_nova = True
        self._conversation.update(changes, event.event_id)

    def _hear(self, event: client.InputAudioBufferAppend) -> None:
        if self._conversation.config.input_format == "audio/pcm" and len(event.audio) % 2:
            raise BadInputError("holds half a 16-bit sample", field="audio", code="audio_odd_length")
        if event.audio:
            self._conversation.hear(event.audio)

    def _see(self, event: client.InputVideoBufferAppend) -> None:
        check_is_picture(event.image, "image")
        captured_at_ms = event.captured_at_ms
        if captured_at_ms is None:
            captured_at_ms = int(time.time() * 1_000)
        self._conversation.see(event.image, event.source, captured_at_ms, event.event_id)

    def _clear_output(self, event: client.OutputAudioBufferClear) -> None:
        """Nothing to clear is no error: the reply may just have ended."""
        self._outbound.hears_clears = True
        try:
            self._conversation.cancel_reply(None, event.event_id)
        except BadInputError as error:
            if error.code != "response_cancel_not_active":
                raise

    def _create_item(self, event: client.ConversationItemCreate) -> None:
        item, pictures = item_from_client(event.item, "item")
        if self._conversation.find_item(item.item_id) is not None:
            raise BadInputError("an item with this id exists", field="item.id", code="item_create_duplicate_item_id")
        self._conversation.add_item(item, event.previous_item_id, pictures, event.event_id)

    def _retrieve_item(self, event: client.ConversationItemRetrieve) -> None:
        item = self._conversation.find_item(event.item_id)
        if item is None:
            raise BadInputError("there is no such item", field="item_id", code="item_retrieve_invalid_item_id")
        self._outbound.retrieved(item)

    def _truncate_item(self, event: client.ConversationItemTruncate) -> None:
        self._conversation.truncate_item(event.item_id, event.content_index, event.audio_end_ms)

    def _create_reply(self, event: client.ResponseCreate) -> None:
        options = ReplyOptions() if event.response is None else self._reply_options(event.response)
        self._conversation.create_reply(options, event.event_id)

    def _reply_options(self, wanted: ResponseFields) -> ReplyOptions:
        config = self._conversation.config
        tools, choice = tools_from_client(wanted.tools), choice_from_client(wanted.tool_choice)
        offered = config.tools if tools is None else tools
        check_tool_choice(choice or config.tool_choice, offered, "response.tool_choice")
        return ReplyOptions(
            instructions=wanted.instructions,
            output_modality=modality_from_client(wanted.output_modalities),
            tools=tools,
            max_output_tokens=wanted.max_output_tokens,
            metadata=wanted.metadata,
            is_out_of_band=wanted.conversation == "none",
            input_items=self._reply_input(wanted),
            tool_choice=choice,
        )

    def _reply_input(self, wanted: ResponseFields) -> tuple[Item, ...] | None:
        if wanted.input is None:
            return None
        items: list[Item] = []
        for index, fields in enumerate(wanted.input):
            place = f"response.input[{index}]"
            if isinstance(fields, ItemReference):
                items.append(self._referred(fields.id, f"{place}.id"))
                continue
            item, pictures = item_from_client(fields, place)
            if pictures:
                raise BadInputError(
                    "a picture goes in by conversation.item.create; refer to that item here",
                    field=f"{place}.content",
                    code="unsupported_content",
                )
            if isinstance(item, FunctionOutputItem) and item.call_id not in _call_ids(items):
                text = f"no function call in this input has the id {item.call_id!r}"
                raise BadInputError(text, field=f"{place}.call_id", code="invalid_tool_call_id")
            items.append(item)
        return tuple(items)

    def _referred(self, item_id: str, place: str) -> Item:
        item = self._conversation.find_item(item_id)
        if item is None:
            raise BadInputError("there is no such item", field=place, code="invalid_value")
        return item


def _call_ids(items: list[Item]) -> set[str]:
    return {item.call_id for item in items if isinstance(item, FunctionCallItem)}
