"""The line of `manage.py talk`: lost, it comes back after the last event; refused, it says why."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import pytest
from websockets.asyncio.server import ServerConnection, serve

from sessions.management import talking_line
from sessions.management.talking_line import RefusedError, TalkingLine, open_line
from sessions.management.talking_notes import TalkNotes

CREATED = {"type": "session.created", "event_id": "evt_e1_1"}
SESSION = {"type": "nova.session", "event_id": "evt_e1_2", "channel_name": "room", "is_started": True}
RESUMED = {"type": "nova.resumed", "event_id": "evt_e1_3", "recovered": True, "reason": ""}


class Server:
    """Says its first two events and then closes with `close_code` (None: breaks off); the next socket is resumed."""

    def __init__(self, close_code: int | None) -> None:
        self.close_code = close_code
        self.queries: list[dict[str, list[str]]] = []

    async def __call__(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        self.queries.append(parse_qs(urlsplit(socket.request.path).query))
        if len(self.queries) > 1:
            await socket.send(json.dumps(RESUMED))
            await socket.wait_closed()
            return
        await socket.send(json.dumps(CREATED))
        await socket.send(json.dumps(SESSION))
        if self.close_code is None:
            socket.transport.abort()
        else:
            await socket.close(self.close_code, "because")


@asynccontextmanager
async def line_to(server: Server, said: list[str]) -> AsyncIterator[TalkingLine]:
    async with serve(server, "127.0.0.1", 0, subprotocols=[talking_line.SUBPROTOCOL]) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        async with open_line(f"ws://127.0.0.1:{port}/v1/realtime", "key", said.append) as line:
            yield line


@pytest.mark.parametrize("close_code", [None, 1012])
async def test_a_lost_line_comes_back_after_its_last_event(close_code: int | None) -> None:
    server, said = Server(close_code), list[str]()
    async with line_to(server, said) as line:
        types = [(await line.receive())[0]["type"] for _ in range(3)]
    assert types == ["session.created", "nova.session", "nova.resumed"]
    assert server.queries[1] == {"channel_name": ["room"], "epoch": ["e1"], "seq": ["2"], "told": ["2"]}
    assert "coming back" in said[0]


async def test_a_server_that_ends_the_session_is_not_asked_again() -> None:
    server = Server(4410)
    async with line_to(server, []) as line:
        await line.receive()
        await line.receive()
        with pytest.raises(RefusedError, match="4410"):
            await line.receive()
    assert len(server.queries) == 1


def test_an_answer_that_goes_on_after_a_new_beginning_is_one_answer() -> None:
    notes = TalkNotes(lambda _: None)
    created = {"type": "response.created", "response": {"id": "resp_1"}}
    notes.take(created, b"", 1.0)
    notes.take({"type": "nova.resumed", "recovered": False, "reason": "ahead"}, b"", 2.0)
    assert not notes.is_busy
    notes.take(created, b"", 2.1)
    assert notes.is_busy
    assert len(notes.answers) == 1
