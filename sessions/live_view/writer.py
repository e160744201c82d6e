"""Sends what watchers are shown to the web processes that asked, beside the talk; bounded, and a gap is told."""

import asyncio
from collections import deque
from typing import Any

import redis
import structlog
from redis import asyncio as aioredis

from workers.streams import keys
from workers.streams.codec import output_fields
from workers.streams.messages import WatchedFact

logger = structlog.get_logger(__name__)
WAITING_FACTS = 500
BATCH_FACTS = 50


class WatchedWriter:
    """One per web process. With Redis away, or too slow, facts are dropped: a live view is no record."""

    def __init__(self, client: "aioredis.Redis") -> None:
        self._client = client
        self._waiting: deque[tuple[str, WatchedFact]] = deque(maxlen=WAITING_FACTS)
        self._wake = asyncio.Event()

    def put(self, output_stream: str, fact: WatchedFact) -> None:
        """Never blocks; the oldest goes when too many wait, and a gap is told in its place."""
        if len(self._waiting) == WAITING_FACTS:
            stream, lost = self._waiting.popleft()
            self._waiting[0] = (stream, _gap(lost))
        self._waiting.append((output_stream, fact))
        self._wake.set()

    async def run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                await self._send(
                    [self._waiting.popleft() for _ in range(min(BATCH_FACTS, len(self._waiting)))],
                )

    async def _send(self, batch: list[tuple[str, WatchedFact]]) -> None:
        pipeline: Any = self._client.pipeline(transaction=False)
        for stream, fact in batch:
            pipeline.xadd(stream, output_fields(fact), maxlen=keys.OUTPUT_STREAM_ENTRIES, approximate=True)
        try:
            await pipeline.execute()
        except redis.RedisError as error:
            logger.warning("watched_facts_lost", error=type(error).__name__, count=len(batch))


def _gap(fact: WatchedFact) -> WatchedFact:
    return WatchedFact(fact.session_id, fact.generation, "", "gap", {})
