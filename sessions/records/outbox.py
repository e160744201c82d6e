"""The outbox: what has happened goes onto the records stream at once, whatever the database does."""

import asyncio
import json
from collections import deque
from typing import Any

import redis
import structlog
from redis import asyncio as aioredis

from workers.streams import keys

logger = structlog.get_logger(__name__)
WAITING_RECORDS = 5_000
Record = dict[str, Any]


class Outbox:
    """Keeps records while Redis is away (at most 5,000, the oldest goes first and is logged) and sends them afterwards."""

    def __init__(self, client: "aioredis.Redis") -> None:
        self._client = client
        self._waiting: deque[Record] = deque()
        self._order = asyncio.Lock()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    async def keep(self, record: Record) -> None:
        """On the stream when this returns; with Redis away it is kept here instead."""
        self._waiting.append(record)
        if len(self._waiting) > WAITING_RECORDS:
            lost = self._waiting.popleft()
            logger.error("record_lost", session_id=lost.get("session_id"), kind=lost.get("kind"))
        await self.flush()

    async def flush(self) -> None:
        """In order. A send that was cut short may leave an entry twice; writing the same twice changes nothing."""
        async with self._order:
            while self._waiting:
                record = self._waiting[0]
                try:
                    await self._client.xadd(
                        keys.RECORDS_STREAM,
                        {"body": json.dumps(record)},
                        maxlen=keys.RECORDS_STREAM_ENTRIES,
                        approximate=True,
                    )
                except redis.RedisError as error:
                    logger.warning("record_waits", error=type(error).__name__, waiting=len(self._waiting))
                    return
                if self._waiting and self._waiting[0] is record:
                    self._waiting.popleft()
