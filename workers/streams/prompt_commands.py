"""Commands to Redis that leave in the call itself: redis-py's own go a few turns of the event loop later."""

from collections.abc import Iterable
from typing import Any

from redis import asyncio as aioredis

from workers.streams.redis_clients import CONNECT_TIMEOUT_SECONDS

ANSWER_SECONDS = 0.5
Command = tuple[Any, ...]


class _Prompt(aioredis.connection.AbstractConnection):
    """A connection that can also write without waiting. Its answers are read as ever."""

    def write_now(self, commands: Iterable[Command]) -> bool:
        """False, and nothing written, when the other side is known to be gone."""
        if self._writer is None or self._writer.is_closing() or self._reader is None or self._reader.at_eof():
            return False
        self._writer.writelines(self.pack_commands(commands))
        return True


class _PlainConnection(_Prompt, aioredis.Connection):
    pass


class _TlsConnection(_Prompt, aioredis.SSLConnection):
    pass


class PromptCommands:
    """At most `max_connections` open connections; used on one event loop. With none free `send` declines."""

    def __init__(self, url: str, max_connections: int) -> None:
        pool = aioredis.ConnectionPool.from_url(
            url, socket_connect_timeout=CONNECT_TIMEOUT_SECONDS, socket_timeout=ANSWER_SECONDS, protocol=2
        )
        self._kind = _TlsConnection if issubclass(pool.connection_class, aioredis.SSLConnection) else _PlainConnection
        self._arguments = pool.connection_kwargs
        self._max_connections = max_connections
        self._open: set[_Prompt] = set()
        self._free: list[_Prompt] = []
        self._lost: list[_Prompt] = []

    async def make_ready(self) -> None:
        """One connection more when none is free; those that were found lost are closed. Raises RedisError, OSError."""
        while self._lost:
            await self._drop(self._lost.pop())
        if self._free or len(self._open) >= self._max_connections:
            return
        connection = self._kind(**self._arguments)
        self._open.add(connection)
        try:
            await connection.connect()  # type: ignore[no-untyped-call]
            self._free.append(connection)
        finally:
            if not connection.is_connected:
                self._open.discard(connection)

    def send(self, commands: Iterable[Command]) -> "_Prompt | None":
        """What `confirm` wants to have; None when nothing was sent."""
        while self._free:
            connection = self._free.pop()
            if connection.write_now(commands):
                return connection
            self._lost.append(connection)
        return None

    async def confirm(self, connection: "_Prompt", answers: int) -> None:
        """The commands' answers have come, each within half a second. Raises RedisError, OSError: nothing is known then."""
        is_sound = False
        try:
            for _ in range(answers):
                await connection.read_response()
            is_sound = True
        finally:
            if is_sound:
                self._free.append(connection)
            else:
                await self._drop(connection)

    async def close(self) -> None:
        for connection in self._open:
            await connection.disconnect(nowait=True)
        self._open.clear()
        self._free.clear()
        self._lost.clear()

    async def _drop(self, connection: "_Prompt") -> None:
        self._open.discard(connection)
        await connection.disconnect(nowait=True)
