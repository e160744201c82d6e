"""The web process's readers of the output and control streams: one connection each, alive for the life of the process."""

import asyncio
from collections.abc import Callable
from typing import Any

import redis
import structlog
from redis import asyncio as aioredis

from workers.streams.redis_clients import BLOCK_MS

logger = structlog.get_logger(__name__)
RECONNECT_SECONDS = 0.2
BATCH_ENTRIES = 200

Fields = dict[bytes, bytes]


class StreamReader:
    """Reads one stream from the end it had at `start` and hands each entry's fields to `take`, in order."""

    def __init__(self, client: "aioredis.Redis", stream: str, take: Callable[[Fields], None]) -> None:
        self._client = client
        self._stream = stream
        self._take = take
        self._position: bytes | None = None

    @property
    def position(self) -> str:
        """The entry that was handed over last."""
        return self._position.decode() if self._position is not None else "0-0"

    async def run(self) -> None:
        while True:
            try:
                await self._read_once()
            except (redis.RedisError, OSError) as error:
                logger.warning("reader_reconnects", stream=self._stream, error=type(error).__name__)
                await asyncio.sleep(RECONNECT_SECONDS)

    async def find_end(self) -> None:
        """Entries from before this call are not read. Raises RedisError."""
        last: Any = await self._client.xrevrange(self._stream, count=1)
        self._position = last[0][0] if last else b"0-0"

    async def _read_once(self) -> None:
        if self._position is None:
            await self.find_end()
        positions: dict[Any, Any] = {self._stream: self._position}
        batches: Any = await self._client.xread(
            positions,
            count=BATCH_ENTRIES,
            block=BLOCK_MS,
        )
        for _, entries in batches or ():
            for entry_id, fields in entries:
                self._position = entry_id
                self._hand_over(fields)
        # What they made the sessions say leaves before the next read is put together.
        await asyncio.sleep(0)

    def _hand_over(self, fields: Fields) -> None:
        try:
            self._take(fields)
        except (KeyError, ValueError) as error:
            logger.error("entry_unreadable", stream=self._stream, error=type(error).__name__)
