"""One reply as the protocol tells it: keeps each response's open items, so that every sequence ends whole."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sessions.live import facts
from sessions.live.config import SessionConfig
from sessions.live.items import Content, ContentKind, FunctionCallItem, Item, MessageItem
from sessions.realtime import server_events as wire
from sessions.realtime.items_wire import item_to_wire
from sessions.realtime.session_wire import format_to_wire, voice_name

Emit = Callable[..., None]
"""emit(event) or emit(event, payload)."""
_ENDED_REPLIES_KEPT = 64
_REASONS = {
    "cancelled": {"turn_detected", "client_cancelled"},
    "incomplete": {"max_output_tokens", "content_filter"},
}


@dataclass(slots=True)
class OpenItem:
    item: Item
    output_index: int
    is_audio: bool
    previous_item_id: str | None
    text: str = ""

    def unfinished(self) -> Item:
        """What is known of an item whose end was never told."""
        if not isinstance(self.item, MessageItem):
            return replace(self.item, status="incomplete")
        kind: ContentKind = "output_audio" if self.is_audio else "output_text"
        return replace(self.item, content=(Content(kind, self.text),), status="incomplete")


@dataclass(slots=True)
class OpenReply:
    reply_id: str
    metadata: dict[str, str] | None
    is_out_of_band: bool = False
    items: dict[str, OpenItem] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TellingState:
    """Replies whose end was not told, and the last whose end was."""

    open: tuple[OpenReply, ...]
    ended: tuple[str, ...]


class ReplyTelling:
    """A socket may join in mid-reply; what it missed of the frame around a delta is told first."""

    def __init__(self, conversation_id: str, config: Callable[[], SessionConfig], emit: Emit) -> None:
        self._conversation_id = conversation_id
        self._config = config
        self._emit = emit
        self._replies: dict[str, OpenReply] = {}
        self._ended: deque[str] = deque(maxlen=_ENDED_REPLIES_KEPT)

    def state(self) -> TellingState:
        return TellingState(tuple(self._replies.values()), tuple(self._ended))

    def take_up(self, state: TellingState) -> None:
        """Go on where another one stopped."""
        self._replies = {reply.reply_id: reply for reply in state.open}
        self._ended.extend(state.ended)

    def started(self, fact: facts.ReplyStarted) -> None:
        self._reply(fact.reply_id, fact.metadata, fact.is_out_of_band)

    def item_started(self, fact: facts.ReplyItemStarted) -> None:
        self._open_item(fact.reply_id, fact.item, fact.output_index, fact.is_audio, fact.previous_item_id)

    def text_added(self, fact: facts.ReplyTextAdded) -> None:
        opened = self._message(fact.reply_id, fact.item_id, fact.output_index, fact.is_audio)
        if opened is None:
            return
        opened.text += fact.delta
        build = wire.output_transcript_delta if opened.is_audio else wire.output_text_delta
        self._emit(build(fact.reply_id, fact.item_id, fact.output_index, fact.delta))

    def audio_added(self, fact: facts.ReplyAudioAdded, payload: bytes) -> None:
        if self._message(fact.reply_id, fact.item_id, fact.output_index, True) is not None:
            self._emit(wire.output_audio_delta(fact.reply_id, fact.item_id, fact.output_index), payload)

    def item_finished(self, fact: facts.ReplyItemFinished) -> None:
        opened = self._open_item(fact.reply_id, fact.item, fact.output_index, fact.is_audio, None)
        if opened is not None:
            self._close_item(self._replies[fact.reply_id], opened, fact.item)

    def ended(self, fact: facts.ReplyEnded) -> None:
        if fact.reply_id in self._ended:
            return
        reply = self._reply(fact.reply_id, fact.metadata)
        final = {item.item_id: item for item in fact.items}
        for item_id, opened in list(reply.items.items()):
            self._close_item(reply, opened, final.get(item_id) or opened.unfinished())
        del self._replies[fact.reply_id]
        self._ended.append(fact.reply_id)
        self._emit(wire.response_done(self._done_response(fact, reply)))

    def _reply(self, reply_id: str, metadata: dict[str, str] | None = None, is_out_of_band: bool = False) -> OpenReply:
        reply = self._replies.get(reply_id)
        if reply is None:
            reply = self._replies[reply_id] = OpenReply(reply_id, metadata, is_out_of_band)
            self._emit(wire.response_created(self._response(reply, "in_progress")))
        return reply

    def _message(self, reply_id: str, item_id: str, output_index: int, is_audio: bool) -> OpenItem | None:
        reply = self._replies.get(reply_id)
        if reply is not None and item_id in reply.items:
            return reply.items[item_id]
        item = MessageItem(item_id, "assistant", (), "in_progress")
        return self._open_item(reply_id, item, output_index, is_audio, None)

    def _open_item(
        self, reply_id: str, item: Item, output_index: int, is_audio: bool, previous_item_id: str | None
    ) -> OpenItem | None:
        """None when the reply has ended: nothing may follow its response.done."""
        if reply_id in self._ended:
            return None
        reply = self._reply(reply_id)
        if item.item_id in reply.items:
            return reply.items[item.item_id]
        opened = OpenItem(item, output_index, is_audio, previous_item_id)
        reply.items[item.item_id] = opened
        beginning = _beginning(item)
        self._emit(wire.output_item_added(reply_id, output_index, beginning))
        if not reply.is_out_of_band:
            self._emit(wire.item_added(beginning, previous_item_id))
        if isinstance(item, MessageItem):
            self._emit(wire.content_part_added(reply_id, item.item_id, output_index, is_audio))
        return opened

    def _close_item(self, reply: OpenReply, opened: OpenItem, final: Item) -> None:
        del reply.items[opened.item.item_id]
        if isinstance(final, MessageItem):
            self._close_message(reply.reply_id, opened, final)
        elif isinstance(final, FunctionCallItem):
            self._close_call(reply.reply_id, opened, final)
        if not reply.is_out_of_band:
            self._emit(wire.item_done(final, opened.previous_item_id))
        self._emit(wire.output_item_done(reply.reply_id, opened.output_index, final))

    def _close_message(self, reply_id: str, opened: OpenItem, final: MessageItem) -> None:
        text = "".join(content.text for content in final.content)
        place = (reply_id, final.item_id, opened.output_index)
        if opened.is_audio:
            self._emit(wire.output_audio_done(*place))
            self._emit(wire.output_transcript_done(*place, text))
        else:
            self._emit(wire.output_text_done(*place, text))
        self._emit(wire.content_part_done(*place, opened.is_audio, text))

    def _close_call(self, reply_id: str, opened: OpenItem, final: FunctionCallItem) -> None:
        place = (reply_id, final.item_id, opened.output_index, final.call_id)
        self._emit(wire.call_arguments_delta(*place, final.arguments))
        self._emit(wire.call_arguments_done(*place, final.name, final.arguments))

    def _response(self, reply: OpenReply, status: str) -> wire.Event:
        config = self._config()
        output_format = format_to_wire(config.output_format, config.output_rate_hz)
        return {
            "object": "realtime.response",
            "id": reply.reply_id,
            "status": status,
            "status_details": None,
            "output": [],
            "conversation_id": None if reply.is_out_of_band else self._conversation_id,
            "output_modalities": [config.output_modality],
            "max_output_tokens": config.model.max_tokens,
            "audio": {"output": {"format": output_format, "voice": voice_name(config)}},
            "usage": None,
            "metadata": reply.metadata,
        }

    def _done_response(self, fact: facts.ReplyEnded, reply: OpenReply) -> wire.Event:
        return {
            **self._response(reply, fact.status),
            "metadata": fact.metadata or reply.metadata,
            "status_details": _status_details(fact),
            "output": [item_to_wire(item) for item in fact.items],
            "usage": _usage(fact.usage),
        }


def _beginning(item: Item) -> Item:
    """An item as it is announced: empty and in progress, whatever the fact already knew of its end."""
    if isinstance(item, MessageItem):
        return replace(item, content=(), status="in_progress")
    if isinstance(item, FunctionCallItem):
        return replace(item, arguments="", status="in_progress")
    return item


def _status_details(fact: facts.ReplyEnded) -> wire.Event | None:
    if fact.status == "completed":
        return None
    if fact.status == "failed":
        failure = {"type": "server_error", "code": fact.reason, "message": fact.error_text}
        return {"type": "failed", "error": failure}
    reason = fact.reason if fact.reason in _REASONS[fact.status] else None
    return {"type": fact.status, "reason": reason}


def _usage(usage: facts.TokenUsage) -> wire.Event:
    return {
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "input_token_details": {
            "text_tokens": max(0, usage.input_tokens - usage.image_tokens),
            "audio_tokens": 0,
            "image_tokens": usage.image_tokens,
            "cached_tokens": 0,
            "cached_tokens_details": {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0},
        },
        "output_token_details": {"text_tokens": usage.output_tokens, "audio_tokens": 0},
    }
