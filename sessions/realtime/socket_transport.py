"""The websocket as a live session's transport: facts out as numbered events; reads nothing."""

import base64
import json
from collections.abc import Callable

import structlog

from sessions import metrics
from sessions.live.facts import Fact
from sessions.live.transport import Conversation
from sessions.realtime import binary, limits
from sessions.realtime import server_events as wire
from sessions.realtime.limits import CloseCode
from sessions.realtime.outbound import Outbound
from sessions.realtime.outbox import Message, Outbox

log = structlog.get_logger(__name__)


class SocketTransport:
    """Between the doorway's `open` and `begin`, facts wait: session.created always leaves first."""

    def __init__(self, outbox: Outbox, *, is_binary: bool, on_closing: Callable[[], None]) -> None:
        self._outbox = outbox
        self._is_binary = is_binary
        self._on_closing = on_closing
        self._early: list[Fact] = []
        self._ending: tuple[int, str] | None = None
        self._conversation: Conversation | None = None
        self.outbound: Outbound | None = None

    @property
    def holds_playback(self) -> bool:
        return self.outbound is not None and self.outbound.speaks_nova

    def begin(self, conversation: Conversation, *, speaks_nova: bool) -> Outbound:
        self._conversation = conversation
        self.outbound = Outbound(conversation, self.emit, speaks_nova=speaks_nova)
        self.outbound.greet()
        early, self._early = self._early, []
        for fact in early:
            self.deliver(fact)
        if self._ending is not None:
            self.end(*self._ending)
        return self.outbound

    def deliver(self, fact: Fact) -> None:
        if self._outbox.is_closed:
            return
        if self.outbound is not None:
            self._tell(self.outbound, fact)
        elif len(self._early) < limits.EARLY_FACTS_LIMIT:
            self._early.append(fact)
        else:
            self._ending = (CloseCode.TOO_SLOW, "too much happened before the socket was open")

    def _tell(self, outbound: Outbound, fact: Fact) -> None:
        try:
            outbound.tell(fact)
        except Exception:  # process border: the session behind calls in mid-step, and `deliver` never raises
            log.exception("fact_not_told", fact=type(fact).__name__)

    def end(self, code: int, reason: str) -> None:
        if self.outbound is None:
            self._ending = (code, reason)
        else:
            self._outbox.finish(code, reason)

    def emit(self, event: wire.Event, payload: bytes | None = None) -> None:
        """Number the event and queue it; a client that leaves too much unread is closed with 4408."""
        if self._outbox.is_closed or self._conversation is None:
            return
        epoch, seq = self._conversation.clock.next()
        message = self._message({**event, "event_id": f"evt_{epoch}_{seq}"}, payload)
        size_bytes = len(message.get("bytes") or message["text"])
        if not self._outbox.put(message, size_bytes):
            metrics.CLIENTS_CUT.of("too_slow").inc()
            log.warning("client_too_slow", unsent_bytes=self._outbox.unsent_bytes)
            self._outbox.cut(CloseCode.TOO_SLOW, "too much was left unread")
            self._on_closing()

    def _message(self, event: wire.Event, payload: bytes | None) -> Message:
        if payload is not None:
            if self._is_binary:
                return {"type": "websocket.send", "bytes": binary.pack(event, payload)}
            event[binary.PAYLOAD_FIELDS[event["type"]]] = base64.b64encode(payload).decode()
        return {"type": "websocket.send", "text": encode(event)}


def encode(event: wire.Event) -> str:
    """ASCII only, so that no lone surrogate of a client's text can break the frame."""
    return json.dumps(event, separators=(",", ":"))
