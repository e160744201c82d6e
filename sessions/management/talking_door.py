"""How `manage.py talk` gets in: starts a channel on a chosen graph over HTTP and opens the socket; says why when refused."""

import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from asgiref.sync import sync_to_async

from sessions.management.talking_line import OPEN_SECONDS, CannotConnectError, RefusedError, TalkingLine, open_line
from sessions.management.talking_notes import Say

REALTIME_PATH = "/v1/realtime"


@asynccontextmanager
async def open_socket(
    url: str, key: str | None, graph_name: str | None, say: Say, properties: dict[str, Any] | None = None
) -> AsyncIterator[TalkingLine]:
    """A channel on the graph is stopped again at the end. Raises CannotConnectError or RefusedError."""
    if urlsplit(url).scheme not in ("ws", "wss"):
        raise CannotConnectError(f"{url} is no websocket address: it must begin with ws:// or wss://")
    if not urlsplit(url).path.endswith(REALTIME_PATH):
        raise CannotConnectError(f"{url} is not where the server answers: the path is {REALTIME_PATH}")
    if graph_name is None:
        async with open_line(url, key, say) as socket:
            yield socket
        return
    call = sync_to_async(_call, thread_sensitive=False)
    generated = await call(url, "generate", {}, key)
    channel_name = generated["channel_name"]
    start = {"channel_name": channel_name, "graph_name": graph_name, "properties": properties or {}}
    await call(url, "start", start, key)
    try:
        async with open_line(url, generated["realtime"]["client_secret"], say) as socket:
            yield socket
    finally:
        await call(url, "stop", {"channel_name": channel_name}, key)


def _call(url: str, action: str, body: dict[str, Any], key: str | None) -> dict[str, Any]:
    """The `data` of one call of the HTTP API at the same host."""
    parts = urlsplit(url)
    address = f"{parts.scheme.replace('ws', 'http')}://{parts.netloc}/v1/api/{action}"
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
    request = urllib.request.Request(address, json.dumps(body).encode(), headers, method="POST")  # noqa: S310 - ws only
    try:
        with urllib.request.urlopen(request, timeout=OPEN_SECONDS) as answer:  # noqa: S310 - http made from ws above
            data = json.load(answer)["data"]
    except urllib.error.HTTPError as error:
        raise RefusedError(f"{action} was refused: {_reason(error)}") from error
    except OSError as error:
        raise CannotConnectError(f"cannot connect to {address} ({error}); is the server running (make run)?") from error
    return dict(data or {})


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        envelope = json.load(error)
        return f"{envelope['msg']} (code {envelope['code']})"
    except (ValueError, KeyError, TypeError):
        return f"HTTP {error.code}"
