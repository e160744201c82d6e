"""What waits and what is used up, seen from Redis: queues, records, quotas. Every web process sees the same."""

from collections.abc import Mapping
from typing import Any, Final

from redis import asyncio as aioredis

from sessions import metrics
from sessions.settings import WebSettings
from workers.settings import CallLimit
from workers.streams import keys
from workers.streams.redis_clients import async_command_client

STREAMS_QUOTA: Final = "transcribe_streams"


class Backlog:
    """One a web process; `look` is called again and again and raises RedisError."""

    def __init__(self, client: "aioredis.Redis", settings: WebSettings) -> None:
        self._client = client
        is_elsewhere = settings.broker_url not in ("", settings.redis_url)
        self._broker = async_command_client(settings.broker_url, max_connections=1) if is_elsewhere else client
        self._streams_key = keys.speech_streams(f"{settings.aws.region}:{settings.transcribe_transport}")
        self._limits: Mapping[str, CallLimit] = settings.polly_limits
        metrics.QUOTA_LIMIT.labels(STREAMS_QUOTA).set(settings.transcribe_streams_quota)
        for engine, limit in self._limits.items():
            metrics.QUOTA_LIMIT.labels(_polly_quota(engine)).set(limit.concurrent)

    async def look(self) -> None:
        await self._count_queues()
        now_ms = await self._look_at_records()
        await self._count_quotas(now_ms)

    async def close(self) -> None:
        if self._broker is not self._client:
            await self._broker.aclose()

    async def _count_queues(self) -> None:
        pipeline = self._broker.pipeline(transaction=False)
        for queue in metrics.QUEUES:
            pipeline.llen(queue)
        for queue, length in zip(metrics.QUEUES, await pipeline.execute(), strict=True):
            metrics.QUEUE_LENGTH.labels(queue).set(length)

    async def _look_at_records(self) -> int:
        """Returns Redis's time in milliseconds."""
        pipeline = self._client.pipeline(transaction=False)
        pipeline.time()
        pipeline.get(keys.RECORDS_POSITION)
        (seconds, microseconds), position = await pipeline.execute()
        now_ms = int(seconds) * 1_000 + int(microseconds) // 1_000
        oldest: Any = await self._client.xrange(keys.RECORDS_STREAM, min=b"(" + (position or b"0-0"), count=1)
        written_ms = int(oldest[0][0].partition(b"-")[0]) if oldest else now_ms
        metrics.RECORDS_LAG_SECONDS.set(max(0, now_ms - written_ms) / 1_000)
        return now_ms

    async def _count_quotas(self, now_ms: int) -> None:
        """Places are leases; those that have run out are nobody's."""
        pipeline = self._client.pipeline(transaction=False)
        pipeline.zcount(self._streams_key, now_ms, "+inf")
        for engine in self._limits:
            pipeline.zcount(keys.speech_places(engine, "running"), now_ms, "+inf")
        streams, *running = await pipeline.execute()
        metrics.QUOTA_USED.labels(STREAMS_QUOTA).set(streams)
        for engine, count in zip(self._limits, running, strict=True):
            metrics.QUOTA_USED.labels(_polly_quota(engine)).set(count)


def _polly_quota(engine: str) -> str:
    return f"polly_{engine.replace('-', '_')}"
