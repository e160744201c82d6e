"""How a socket is refused before it has a session: by an HTTP status, or by an event and a close code."""

from collections.abc import Mapping
from typing import Any

from sessions.realtime import server_events as wire
from sessions.realtime.event_line import encode
from sessions.realtime.handshake import HandshakeRefusedError, Subprotocol
from sessions.realtime.limits import CloseCode
from sessions.realtime.outbox import Send
from workers.errors import NovaError

_EVENT_ID = "evt_refused_1"


async def refuse_by_status(send: Send, scope: Mapping[str, Any], error: HandshakeRefusedError) -> None:
    """The error's status with a body where the server can (ASGI's denial response), else a bare 403 (daphne)."""
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": int(error.close_code)})
        return
    body = encode(_error_event(error)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "websocket.http.response.start", "status": error.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})


async def refuse_by_close(send: Send, subprotocol: Subprotocol | None, error: NovaError, close_code: CloseCode) -> None:
    await send({"type": "websocket.accept", "subprotocol": subprotocol})
    await send({"type": "websocket.send", "text": encode(_error_event(error))})
    await send({"type": "websocket.close", "code": int(close_code), "reason": error.code})


def _error_event(error: NovaError) -> wire.Event:
    event = wire.error(code=error.code, text=error.text, is_clients_fault=not error.retriable)
    return {**event, "event_id": _EVENT_ID}
