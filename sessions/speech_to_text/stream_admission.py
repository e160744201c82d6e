"""Keeps open Transcribe streams below the account's quota and their starts below its rate, over all web processes by Redis."""

import asyncio
import random
import secrets
from dataclasses import dataclass
from typing import Any, Final

import structlog
from redis import RedisError
from redis import asyncio as aioredis

from workers.errors import ProviderThrottledError
from workers.streams import keys
from workers.streams.redis_clients import async_command_client

logger = structlog.get_logger(__name__)

LEASE_MS = 6_000
RENEW_SECONDS = 2.0
WAIT_SECONDS = 1.5
"""How long `take` waits for a place; with the time to say so the client is told within 2.5 s."""
POLL_SECONDS = 0.2
LONGEST_START_DELAY_MS = 4_000
REDIS_LIMIT_SECONDS = 1.0
REST_SECONDS = (0.3, 0.8, 5.0)
"""After the first, the second, and every further refusal in a row nobody of this process asks the service."""
FULL: Final = -1

# Answers in how many milliseconds the stream may be started, or -1 when there is no place.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%d', now))
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return -1 end
local start = math.max(now, tonumber(redis.call('GET', KEYS[2]) or '0'))
if start - now > tonumber(ARGV[5]) then return -1 end
local next_start = start + tonumber(ARGV[4])
redis.call('SET', KEYS[2], string.format('%d', next_start), 'PX', string.format('%d', next_start - now + 1000))
redis.call('ZADD', KEYS[1], string.format('%d', now + ARGV[3]), ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return start - now
"""

# Leases that a Redis without its data has forgotten come back by it too.
_RENEW = """
local time = redis.call('TIME')
local until_ms = string.format('%d', time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1])
for i = 2, #ARGV do redis.call('ZADD', KEYS[1], until_ms, ARGV[i]) end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
"""


@dataclass(frozen=True, slots=True)
class StreamQuota:
    """`scope` names what the account counts together. One stream of the quota is left free for what we cannot see."""

    scope: str
    streams: int
    starts_per_second: float

    @property
    def places(self) -> int:
        return max(1, self.streams - 1)

    @property
    def start_gap_ms(self) -> int:
        return max(1, round(1_000 / self.starts_per_second))


class StreamAdmission:
    """One a web process. A process that dies frees its places within LEASE_MS. Without Redis each process counts alone."""

    def __init__(self, redis_url: str, quota: StreamQuota) -> None:
        self._client: aioredis.Redis = async_command_client(redis_url, max_connections=2)
        self._quota = quota
        self._streams_key = keys.speech_streams(quota.scope)
        self._next_start_key = keys.next_speech_stream(quota.scope)
        self._held: set[str] = set()
        self._renewing: asyncio.Task[None] | None = None
        self._releasing: set[asyncio.Task[None]] = set()
        self._refusals = 0
        self._rest_until = 0.0
        self._next_start_at = 0.0
        self._is_alone = False

    async def take(self) -> "StreamLease":
        """A place and its turn to start. Raises ProviderThrottledError(code="stt_busy") after WAIT_SECONDS without."""
        loop = asyncio.get_running_loop()
        name = secrets.token_hex(8)
        deadline = loop.time() + WAIT_SECONDS
        while True:
            delay_ms = FULL if loop.time() < self._rest_until else await self._ask(name)
            if delay_ms != FULL:
                return await self._start(name, delay_ms)
            if loop.time() >= deadline:
                logger.info("transcribe_admission_full", held=len(self._held), places=self._quota.places)
                raise ProviderThrottledError("all places for speech recognition are taken; waiting", code="stt_busy")
            await asyncio.sleep(POLL_SECONDS * random.uniform(0.5, 1))

    async def close(self) -> None:
        """Frees every place of this process."""
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)
        for name in list(self._held):
            self.release(name)
        await asyncio.gather(*self._releasing, return_exceptions=True)
        await self._client.aclose()

    def release(self, name: str) -> None:
        if name in self._held:
            self._held.discard(name)
            task = asyncio.get_running_loop().create_task(self._give_back(name), name="transcribe-place")
            self._releasing.add(task)
            task.add_done_callback(self._releasing.discard)

    def refused(self) -> None:
        """The service itself had no place: others than we use the quota too."""
        rest_seconds = REST_SECONDS[min(self._refusals, len(REST_SECONDS) - 1)]
        self._refusals += 1
        self._rest_until = asyncio.get_running_loop().time() + rest_seconds
        logger.warning("transcribe_refused_a_stream", refusals=self._refusals, rest_seconds=rest_seconds)

    def accepted(self) -> None:
        self._refusals, self._rest_until = 0, 0.0

    async def _start(self, name: str, delay_ms: int) -> "StreamLease":
        self._held.add(name)
        if self._renewing is None or self._renewing.done():
            self._renewing = asyncio.get_running_loop().create_task(self._renew(), name="transcribe-places")
        try:
            await asyncio.sleep(delay_ms / 1_000)
        except asyncio.CancelledError:
            self.release(name)
            raise
        return StreamLease(self, name)

    async def _ask(self, name: str) -> int:
        quota = self._quota
        limits = (quota.places, LEASE_MS, quota.start_gap_ms, LONGEST_START_DELAY_MS)
        try:
            delay_ms = int(await self._eval(_TAKE, [self._streams_key, self._next_start_key], name, *limits))
        except (RedisError, OSError, TimeoutError) as error:
            self._count_alone(type(error).__name__)
            return self._ask_alone()
        self._is_alone = False
        return delay_ms

    def _count_alone(self, reason: str) -> None:
        """Said once for each time Redis is away; places that could not be given back end with their lease."""
        if not self._is_alone:
            self._is_alone = True
            logger.warning("transcribe_admission_alone", error=reason)

    def _ask_alone(self) -> int:
        if len(self._held) >= self._quota.places:
            return FULL
        now = asyncio.get_running_loop().time()
        start_at = max(now, self._next_start_at)
        self._next_start_at = start_at + self._quota.start_gap_ms / 1_000
        return round((start_at - now) * 1_000)

    async def _renew(self) -> None:
        while self._held:
            await asyncio.sleep(RENEW_SECONDS)
            if self._held:
                try:
                    await self._eval(_RENEW, [self._streams_key], LEASE_MS, *self._held)
                except (RedisError, OSError, TimeoutError) as error:
                    self._count_alone(type(error).__name__)

    async def _give_back(self, name: str) -> None:
        try:
            async with asyncio.timeout(REDIS_LIMIT_SECONDS):
                await self._client.zrem(self._streams_key, name)
        except (RedisError, OSError, TimeoutError) as error:
            self._count_alone(type(error).__name__)

    async def _eval(self, script: str, script_keys: list[str], *arguments: str | int) -> Any:
        async with asyncio.timeout(REDIS_LIMIT_SECONDS):
            return await self._client.eval(
                script, len(script_keys), *script_keys, *[str(argument) for argument in arguments]
            )


class StreamLease:
    """One stream's place. `release` when the stream is closed; safe twice."""

    def __init__(self, admission: StreamAdmission, name: str) -> None:
        self._admission = admission
        self._name = name
        self._is_accepted = False

    def accepted(self) -> None:
        """The service works with the stream: from now on a refusal is not one of its start."""
        if not self._is_accepted:
            self._is_accepted = True
            self._admission.accepted()

    def refused(self) -> None:
        if not self._is_accepted:
            self._admission.refused()

    def release(self) -> None:
        self._admission.release(self._name)
