"""The websocket at /v1/realtime: lets a client in, takes its messages within its budget, and lets it go."""

import asyncio
import json
import time
from typing import Any

import structlog
from asgiref.sync import sync_to_async
from channels.consumer import AsyncConsumer
from channels.exceptions import StopConsumer

from sessions import metrics
from sessions.live.transport import Conversation
from sessions.realtime import client_events as client
from sessions.realtime import limits
from sessions.realtime import server_events as wire
from sessions.realtime.budget import InboundBudget
from sessions.realtime.doorway import Visitor, current_doorway
from sessions.realtime.handshake import (
    Handshake,
    HandshakeRefusedError,
    admit,
    close_code_of,
    read_handshake,
)
from sessions.realtime.inbound import Inbound
from sessions.realtime.limits import CloseCode
from sessions.realtime.outbox import Outbox, Send
from sessions.realtime.refusals import refuse_by_close, refuse_by_status
from sessions.realtime.socket_transport import SocketTransport
from sessions.rtc_tokens.session_wishes import read_wishes
from workers.errors import BadInputError, NovaError, PictureRejectedError

log = structlog.get_logger(__name__)


class RealtimeConsumer(AsyncConsumer):
    """One socket. `_received` never awaits: meanwhile the server's inbound queue would grow without bound."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        # The inherited loop makes a task for each message and goes round the event loop between two. A client that
        # floods the server then adds 40 messages for each one that is handled; here a backlog is handled in one go.
        self._send: Send = send
        self._outbox = Outbox(send)
        self._transport: SocketTransport | None = None
        self._conversation: Conversation | None = None
        self._inbound: Inbound | None = None
        self._budget = InboundBudget()
        self._is_binary = False
        self._told: dict[str, float] = {}
        self.scope = scope
        try:
            while True:
                await self.dispatch(await receive())
        except StopConsumer:
            pass
        finally:
            # Reached on cancellation too: a server may end the application without a disconnect message.
            self._leave()
            self._outbox.abandon()

    async def dispatch(self, message: Any) -> None:
        # The inherited dispatch closes old database connections before each message, which hops to a thread
        # (90-277 microseconds). No handler here touches the database, so messages are handled right away.
        kind = message["type"]
        if kind == "websocket.receive":
            self._received(message.get("text"), message.get("bytes"))
        elif kind == "websocket.connect":
            await self._knocked()
        elif kind == "websocket.disconnect":
            if self._transport is not None:
                self._transport.is_farewell = message.get("code") == CloseCode.NORMAL
            raise StopConsumer

    async def _knocked(self) -> None:
        handshake = read_handshake(self.scope)
        try:
            visitor = admit(handshake)
        except HandshakeRefusedError as error:
            log.info("socket_refused", code=error.code)
            await self._turn_away(handshake, error)
            return
        await self._open(handshake, visitor)

    async def _turn_away(self, handshake: Handshake, error: HandshakeRefusedError) -> None:
        """A stranger's page is given nothing; a browser with a bad secret must be able to read why."""
        self._outbox.is_closed = True
        if handshake.is_browser and error.close_code == CloseCode.UNAUTHENTICATED:
            await refuse_by_close(self._send, handshake.subprotocol, error, error.close_code)
        else:
            await refuse_by_status(self._send, self.scope, error)

    async def _open(self, handshake: Handshake, visitor: Visitor) -> None:
        self._is_binary = handshake.subprotocol == "nova.binary"
        transport = SocketTransport(self._outbox, is_binary=self._is_binary, on_closing=self._leave)
        self._transport = transport
        try:
            async with asyncio.timeout(limits.OPEN_LIMIT_SECONDS):
                conversation = await current_doorway().open(visitor, transport)
        except (NovaError, TimeoutError) as error:
            await self._not_opened(handshake, error)
            return
        self._conversation = conversation
        await self._send({"type": "websocket.accept", "subprotocol": handshake.subprotocol})
        self._outbox.start()
        outbound = transport.begin(conversation, speaks_nova=handshake.speaks_nova)
        inbound = Inbound(conversation, outbound)
        if visitor.wishes_id:
            await self._apply_wishes(inbound, visitor.wishes_id)
        self._inbound = inbound

    async def _apply_wishes(self, inbound: Inbound, wishes_id: str) -> None:
        """The session settings that came with client_secrets, as if the client's first message had brought them."""
        try:
            wishes = await sync_to_async(read_wishes, thread_sensitive=False)(wishes_id)
            if wishes is not None:
                inbound.take(client.parse_text(json.dumps({"type": "session.update", "session": wishes})))
        except NovaError as error:
            self._refuse(error, None, "session.update")

    async def _not_opened(self, handshake: Handshake, error: NovaError | TimeoutError) -> None:
        if isinstance(error, TimeoutError):
            error = NovaError("the session could not be opened in time", code="open_timeout", retriable=True)
        log.info("socket_not_opened", code=error.code)
        self._outbox.is_closed = True
        await refuse_by_close(self._send, handshake.subprotocol, error, close_code_of(error))

    def _received(self, text: str | None, data: bytes | None) -> None:
        if self._inbound is None or self._outbox.is_closed:
            return
        now_seconds = time.monotonic()
        size_bytes = client.message_size_bytes(text) if text is not None else len(data or b"")
        if not self._budget.allows_bytes(size_bytes, now_seconds):
            self._close(CloseCode.TOO_FAST, "too_fast", "more bytes came than a conversation needs")
            return
        try:
            event = client.parse_text(text) if text is not None else self._parse_binary(data or b"")
        except client.ClientEventError as error:
            self._bad_message(error, now_seconds)
            return
        if self._is_within_budget(self._inbound, event, now_seconds):
            self._take(self._inbound, event, now_seconds)

    def _parse_binary(self, data: bytes) -> client.ClientEvent:
        if not self._is_binary:
            raise client.ClientEventError("binary messages need the subprotocol nova.binary", code="binary_not_agreed")
        return client.parse_binary(data)

    def _bad_message(self, error: client.ClientEventError, now_seconds: float) -> None:
        if not self._budget.allows_bad_message(now_seconds):
            self._close(CloseCode.BAD_MESSAGES, error.code, "too many messages that are no events")
            return
        self._refuse(error, error.event_id)

    def _is_within_budget(self, inbound: Inbound, event: client.ClientEvent, now_seconds: float) -> bool:
        if isinstance(event, client.InputAudioBufferAppend):
            is_allowed = self._budget.allows_audio(inbound.audio_seconds(event), now_seconds)
            text = "audio came faster than it can be heard"
        else:
            is_allowed = self._budget.allows_message(now_seconds)
            text = "more messages came than a conversation needs"
        if not is_allowed:
            self._close(CloseCode.TOO_FAST, "too_fast", text)
        return is_allowed

    def _take(self, inbound: Inbound, event: client.ClientEvent, now_seconds: float) -> None:
        try:
            inbound.take(event)
        except NovaError as error:
            if error.code == "audio_overrun":
                self._close(CloseCode.TOO_FAST, error.code, error.text)
            elif self._is_news(event, error.code, now_seconds):
                self._refuse(error, event.event_id, event.type)
        except Exception:  # process border: what a client sent meets the session; WS-14 keeps it alive
            log.exception("event_failed", event_type=event.type)
            self._refuse(NovaError("this event failed here"), event.event_id, event.type)

    def _is_news(self, event: client.ClientEvent, code: str, now_seconds: float) -> bool:
        """Streams of sound and pictures repeat their error with each message; once a second is enough."""
        if event.type not in limits.MEDIA_EVENTS:
            return True
        told_at_seconds = self._told.get(code)
        is_news = told_at_seconds is None or now_seconds - told_at_seconds >= limits.REPEATED_ERROR_SECONDS
        if is_news:
            self._told[code] = now_seconds
        return is_news

    def _refuse(self, error: NovaError, event_id: str | None, event_type: str = "") -> None:
        outbound = self._transport.outbound if self._transport is not None else None
        if outbound is None:
            return
        is_clients_fault = isinstance(error, BadInputError | PictureRejectedError)
        place = f"{event_type}: " if event_type else ""
        field = error.field if isinstance(error, BadInputError) else None
        field_text = f"{field}: " if event_type and field else ""
        event = wire.error(
            code=error.code,
            text=f"{place}{field_text}{error.text}"[: client.TEXT_LIMIT],
            is_clients_fault=is_clients_fault,
            event_id=event_id,
            field=field,
        )
        outbound.emit_error(event, error.retriable)

    def _close(self, close_code: CloseCode, code: str, text: str) -> None:
        """Close by our own decision: the reason as a last event, nothing more taken, the session told."""
        metrics.CLIENTS_CUT.of(code).inc()
        log.info("socket_closed", close_code=int(close_code), code=code)
        self._refuse(BadInputError(text, code=code), None)
        self._outbox.finish(close_code, text)
        self._leave()

    def _leave(self) -> None:
        conversation, self._conversation = self._conversation, None
        if conversation is not None and self._transport is not None:
            conversation.detach(self._transport)
