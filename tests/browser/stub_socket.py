"""Owns the server's end of one page's websocket in the tests; it plays no script of its own."""

from __future__ import annotations

import asyncio
import json
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

WAIT_LIMIT_SECONDS = 10.0

Event = dict[str, Any]


@dataclass(frozen=True)
class Received:
    event: Event
    payload: bytes | None
    at_seconds: float = field(default_factory=time.monotonic)

    @property
    def type(self) -> str:
        return str(self.event["type"])


class StubSocket:
    """Made by StubServer for each handshake; a test calls everything but `serve`, from its own thread."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        offered: list[str],
        query: dict[str, str] | None = None,
        resumed_after: int | None = None,
    ) -> None:
        """With `resumed_after` the socket goes on after that event, without session.created."""
        self.offered = offered
        self.query = query or {}
        self._is_resumed = resumed_after is not None
        self.close_code: int | None = None
        self._is_over = False
        self._socket = socket
        self._loop = asyncio.get_running_loop()
        self._received: list[Received] = []
        self._changed = threading.Condition()
        self._sent_events = resumed_after or 0
        self._closing_code: asyncio.Future[int] = self._loop.create_future()

    @property
    def sent_events(self) -> int:
        return self._sent_events

    @property
    def received(self) -> list[Received]:
        with self._changed:
            return list(self._received)

    def of_type(self, event_type: str) -> list[Received]:
        return [message for message in self.received if message.type == event_type]

    def wait_for(self, event_type: str, when: Callable[[Received], bool] = lambda _: True) -> Received:
        def found() -> Received | None:
            return next((one for one in self._received if one.type == event_type and when(one)), None)

        with self._changed:
            if not self._changed.wait_for(found, WAIT_LIMIT_SECONDS):
                types = sorted({one.type for one in self._received})
                raise AssertionError(f"the page sent no {event_type}; it sent {types}")
            message = found()
        assert message is not None
        return message

    def wait_for_count(self, event_type: str, count: int) -> None:
        def enough() -> bool:
            return sum(one.type == event_type for one in self._received) >= count

        with self._changed:
            assert self._changed.wait_for(enough, WAIT_LIMIT_SECONDS), f"fewer than {count} {event_type}"

    def wait_closed(self) -> int | None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._is_over, WAIT_LIMIT_SECONDS), "the page stays"
        return self.close_code

    def send(self, event_type: str, payload: bytes | None = None, **fields: Any) -> None:
        self._await(self._send({"type": event_type, **fields}, payload))

    def send_raw(self, data: str | bytes) -> None:
        sending = self._socket.send_bytes(data) if isinstance(data, bytes) else self._socket.send_str(data)
        self._await(sending)

    def close(self, code: int) -> None:
        """Returns once the page has answered: its browser then knows the code."""
        self._loop.call_soon_threadsafe(self._closing_code.set_result, code)
        self.wait_closed()

    def abort(self) -> None:
        """Cuts the line without a closing handshake, as a lost network does."""
        self._loop.call_soon_threadsafe(self._abort)

    def _abort(self) -> None:
        transport = self._socket._req.transport if self._socket._req else None
        assert transport is not None
        transport.abort()

    def _await(self, coroutine: Any) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(WAIT_LIMIT_SECONDS)

    async def _send(self, event: Event, payload: bytes | None) -> None:
        self._sent_events += 1
        header = json.dumps({**event, "event_id": f"evt_1_{self._sent_events}"})
        if payload is None:
            await self._socket.send_str(header)
        else:
            encoded = header.encode()
            await self._socket.send_bytes(struct.pack(">H", len(encoded)) + encoded + payload)

    async def serve(self) -> None:
        if not self._is_resumed:
            await self._send({"type": "session.created", "session": {"type": "realtime"}}, None)
        taking = asyncio.create_task(self._take_all())
        either: list[asyncio.Future[Any]] = [taking, self._closing_code]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            is_ended_by_page = taking.done()
            taking.cancel()
        if is_ended_by_page:
            taking.result()
        else:
            await self._shake_hands(taking)
        with self._changed:
            self.close_code = self._socket.close_code
            self._is_over = True
            self._changed.notify_all()

    async def _take_all(self) -> None:
        async for message in self._socket:
            if message.type is WSMsgType.TEXT:
                await self._take(Received(json.loads(message.data), None))
            elif message.type is WSMsgType.BINARY:
                await self._take(_unpack(message.data))

    # aiohttp waits for the page's answer only while nobody else reads; otherwise it drops the line at once, and the
    # sound still on its way is answered by a reset, which can overtake the closing code.
    async def _shake_hands(self, taking: asyncio.Task[None]) -> None:
        await asyncio.wait({taking})
        await self._socket.close(code=self._closing_code.result())

    async def _take(self, message: Received) -> None:
        with self._changed:
            self._received.append(message)
            self._changed.notify_all()
        if message.type == "session.update":
            await self._send({"type": "session.updated", "session": message.event["session"]}, None)


def _unpack(data: bytes) -> Received:
    (header_bytes,) = struct.unpack_from(">H", data)
    return Received(json.loads(data[2 : 2 + header_bytes]), data[2 + header_bytes :])
