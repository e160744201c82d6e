"""Where the websocket lives, and what knocks elsewhere hears; nova_site puts these patterns into its ASGI application."""

from typing import Any, cast

import structlog
from django.urls import path, re_path

from sessions.realtime.consumer import RealtimeConsumer
from sessions.realtime.handshake import HandshakeRefusedError
from sessions.realtime.limits import CloseCode
from sessions.realtime.refusals import refuse_by_status

REALTIME_PATH = "/v1/realtime"
_LOGGED_PATH_CHARACTERS = 100
log = structlog.get_logger(__name__)


async def refuse_unknown_path(scope: Any, receive: Any, send: Any) -> None:
    """404 where the server can say so, else 403 (daphne)."""
    await receive()
    log.info("socket_refused", code="unknown_path", path=scope["path"][:_LOGGED_PATH_CHARACTERS])
    text = f"websockets are opened at {REALTIME_PATH}"
    error = HandshakeRefusedError(text, code="unknown_path", status=404, close_code=CloseCode.NOT_ALLOWED)
    await refuse_by_status(send, scope, error)


# Channels' URLRouter takes ASGI applications where Django's types know only views.
websocket_urlpatterns = [
    path(REALTIME_PATH.removeprefix("/"), cast(Any, RealtimeConsumer.as_asgi())),
    re_path(r"", cast(Any, refuse_unknown_path)),
]
