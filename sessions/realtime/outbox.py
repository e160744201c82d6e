"""What waits to leave on one socket: bounded, sent in order by one task; knows no event."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from sessions.realtime import limits

Message = dict[str, Any]
Send = Callable[[Message], Awaitable[None]]
log = structlog.get_logger(__name__)


class Outbox:
    """`put` and `finish` never block. After `finish` or `cut` nothing more is taken.

    `start` is called once, from the event loop; what was put before it waits.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._waiting: deque[tuple[Message, int]] = deque()
        self._wake = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self.unsent_bytes = 0
        self.is_closed = False

    def start(self) -> None:
        self._writer = asyncio.create_task(self._write())

    def put(self, message: Message, size_bytes: int) -> bool:
        """False, and nothing taken, when more would wait than a client may leave unread."""
        if self.is_closed:
            return True
        if self.unsent_bytes + size_bytes > limits.UNSENT_LIMIT_BYTES:
            return False
        self._append(message, size_bytes)
        return True

    def finish(self, code: int, reason: str) -> None:
        """Close after everything that waits has left."""
        if not self.is_closed:
            self._append(_closing(code, reason), 0)
            self.is_closed = True

    def cut(self, code: int, reason: str) -> None:
        """Close at once: what waits is dropped, and the message under way too."""
        if self.is_closed:
            return
        self._waiting.clear()
        self.unsent_bytes = 0
        if self._writer is not None:
            self._writer.cancel()
            self.start()
        self.finish(code, reason)

    def abandon(self) -> None:
        """The client is gone: nothing leaves any more."""
        self.is_closed = True
        self._waiting.clear()
        if self._writer is not None:
            self._writer.cancel()

    def _append(self, message: Message, size_bytes: int) -> None:
        self._waiting.append((message, size_bytes))
        self.unsent_bytes += size_bytes
        self._wake.set()

    async def _write(self) -> None:
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._waiting:
                    message, size_bytes = self._waiting.popleft()
                    await self._send(message)
                    self.unsent_bytes = max(0, self.unsent_bytes - size_bytes)
                    if message["type"] == "websocket.close":
                        return
        except OSError as error:
            # Some servers raise when the client has gone; its disconnect message follows.
            log.info("socket_lost_while_sending", reason=str(error))
            self.is_closed = True
            self._waiting.clear()


def _closing(code: int, reason: str) -> Message:
    """A close frame holds at most 123 bytes of reason."""
    shown = reason.encode()[:120].decode(errors="ignore")
    return {"type": "websocket.close", "code": int(code), "reason": shown}
