"""What a websocket hears that knocks at another path than /v1/realtime."""

import json
from typing import Any

import pytest
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator

from sessions.realtime.routing import websocket_urlpatterns

OTHER_PATHS = ["/", "/nope", "/v1/realtime/", "/v1/realtime/x"]


def knock_at(path: str) -> WebsocketCommunicator:
    return WebsocketCommunicator(URLRouter(websocket_urlpatterns), path)


@pytest.mark.parametrize("path", OTHER_PATHS)
async def test_another_path_is_refused_before_the_handshake(path: str) -> None:
    socket = knock_at(path)

    assert await socket.connect() == (False, 4403)
    await socket.wait()


@pytest.mark.parametrize("path", OTHER_PATHS)
async def test_a_server_that_can_say_so_answers_404(path: str) -> None:
    socket = knock_at(path)
    socket.scope["extensions"] = {"websocket.http.response": {}}
    await socket.send_input({"type": "websocket.connect"})

    start: dict[str, Any] = await socket.receive_output()
    body: dict[str, Any] = await socket.receive_output()

    assert start["status"] == 404
    assert json.loads(body["body"])["error"]["code"] == "unknown_path"
    await socket.wait()
