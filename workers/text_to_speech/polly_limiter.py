"""One limiter of Polly calls for all workers, kept in Redis: calls a second and at once by engine, most urgent first."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from uuid import uuid4

import redis
import structlog

from workers import metrics
from workers.errors import ProviderThrottledError
from workers.settings import CallLimit
from workers.streams.keys import speech_places
from workers.text_to_speech.contract import Urgency

LEASE_MS: Final = 30_000
"""A call's place when its worker died; no call of a 1,000 character text takes as long."""
FORGOTTEN_MS: Final = 1_000
"""Who has not asked again for so long waits no more. Waiters ask at least every 250 ms."""
SLOW_SECONDS: Final = 5
MARKS_SHARE: Final = 0.5

_PARTS: Final = ("running", "starts", "waiting", "asked", "slow")

# Who waits is ordered by urgency, then by time of coming, and may go when fewer wait before him than places are free.
# Returns 0 for "go", else the milliseconds after which to ask again, and how many more could go now. Redis's clock is
# the only one.
_ASK: Final = """
local running, starts, waiting, asked, slow = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local ticket, urgency, per_second, at_once = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local lease_ms, forgotten_ms, share = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', running, '-inf', now)
redis.call('ZREMRANGEBYSCORE', starts, '-inf', now - 1000)
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', asked, '-inf', now - forgotten_ms)) do
  redis.call('ZREM', waiting, gone)
end
redis.call('ZREMRANGEBYSCORE', asked, '-inf', now - forgotten_ms)
redis.call('ZADD', waiting, 'NX', urgency * 1e13 + now, ticket)
redis.call('ZADD', asked, now, ticket)
local cap = tonumber(redis.call('GET', slow) or '0')
if cap > 0 and share < 1 then return {250, 0} end
if cap > 0 then per_second = math.min(per_second, cap) end
local before_me = redis.call('ZRANK', waiting, ticket)
local started = redis.call('ZCARD', starts)
local free_now = math.max(1, math.floor(per_second * share)) - started
local free_places = math.max(1, math.floor(at_once * share)) - redis.call('ZCARD', running)
for _, key in ipairs({running, starts, waiting, asked}) do redis.call('PEXPIRE', key, lease_ms * 2) end
if before_me < free_now and before_me < free_places then
  redis.call('ZREM', waiting, ticket)
  redis.call('ZREM', asked, ticket)
  redis.call('ZADD', running, now + lease_ms, ticket)
  redis.call('ZADD', starts, now, ticket)
  return {0, math.min(per_second - started, at_once - redis.call('ZCARD', running) + 1) - before_me - 1}
end
if before_me >= free_now then
  local place = math.min(math.max(before_me - free_now, 0), started - 1)
  local freeing = redis.call('ZRANGE', starts, place, place, 'WITHSCORES')
  if freeing[2] then return {math.min(math.max(freeing[2] + 1001 - now, 10), 250), 0} end
  return {100, 0}
end
return {20, 0}
"""

# A refusal by Polly: for a while at most half of what was begun in the last second, and no word marks at all.
_SLOW_DOWN: Final = """
local starts, slow = KEYS[1], KEYS[2]
if redis.call('SET', slow .. ':told', '1', 'NX', 'PX', 500) then
  local time = redis.call('TIME')
  redis.call('ZREMRANGEBYSCORE', starts, '-inf', time[1] * 1000 + math.floor(time[2] / 1000) - 1000)
  redis.call('SET', slow, math.max(1, math.floor(redis.call('ZCARD', starts) / 2)), 'EX', ARGV[1])
end
"""

log = structlog.get_logger(__name__)


class PollyLimiter:
    """One per worker process. With Redis away calls go through unlimited: Polly's own refusals are retried anyway.

    While at least half of an engine's places were free when last seen, a first sentence does not wait for Redis: its
    place is asked for and the answer read after the call. One such call at once in a process, so that all processes
    together overrun a limit by no more than their number.
    """

    def __init__(self, client: "redis.Redis", limits: Mapping[str, CallLimit]) -> None:
        self._client = client
        self._limits = limits
        self._ask: Any = client.register_script(_ASK)
        self._tell: Any = client.register_script(_SLOW_DOWN)
        self._free_places: dict[str, int] = {}
        self._unread: set[str] = set()

    @contextmanager
    def place(self, engine: str, urgency: Urgency, wait_until: float) -> Iterator[None]:
        """Inside, one call may run. Raises ProviderThrottledError `speech_throttled` at `wait_until` (monotonic)."""
        ticket = uuid4().hex
        is_early = urgency is Urgency.FIRST_SENTENCE and self._has_room(engine)
        try:
            if is_early:
                with self._asked_meanwhile(engine, ticket):
                    yield
            else:
                self._wait(engine, ticket, urgency, wait_until)
                yield
        finally:
            self._leave(engine, ticket)

    def slow_down(self, engine: str) -> None:
        """Polly has refused a call: something else uses the account's quota too."""
        with _redis_may_be_away():
            self._tell(keys=[speech_places(engine, "starts"), speech_places(engine, "slow")], args=[SLOW_SECONDS])

    def _wait(self, engine: str, ticket: str, urgency: Urgency, wait_until: float) -> None:
        asked_at = time.monotonic()
        while wait_ms := self._ask_for_place(engine, ticket, urgency):
            left_seconds = wait_until - time.monotonic()
            if left_seconds <= 0:
                metrics.VOICE_PLACES_REFUSED.inc()
                raise ProviderThrottledError("too much speech is being made at once", code="speech_throttled")
            time.sleep(min(wait_ms / 1_000, left_seconds))
        metrics.VOICE_PLACE_WAIT_SECONDS.observe(time.monotonic() - asked_at)

    def _ask_for_place(self, engine: str, ticket: str, urgency: Urgency) -> int:
        if engine not in self._limits:
            return 0
        wait_ms: int = 0
        with _redis_may_be_away():
            answer: Any = self._ask(keys=_ask_keys(engine), args=self._ask_arguments(engine, ticket, urgency))
            wait_ms, self._free_places[engine] = answer
        return int(wait_ms)

    def _has_room(self, engine: str) -> bool:
        limit = self._limits.get(engine)
        if limit is None or engine in self._unread:
            return False
        return self._free_places.get(engine, 0) * 2 >= min(limit.per_second, limit.concurrent)

    @contextmanager
    def _asked_meanwhile(self, engine: str, ticket: str) -> Iterator[None]:
        """Redis is asked before the block and its answer read after it: nothing of the block waits for it.

        Whatever is thrown in, a connection whose answer was not read is closed: nobody else may get that answer.
        """
        pool, places = self._client.connection_pool, _ask_keys(engine)
        connection: Any = None
        is_asked = is_read = False
        self._unread.add(engine)
        self._free_places[engine] = 0  # until the answer is read, others ask and wait
        try:
            with _redis_may_be_away():
                connection = pool.get_connection()
                arguments = self._ask_arguments(engine, ticket, Urgency.FIRST_SENTENCE)
                connection.send_command("EVALSHA", self._ask.sha, len(places), *places, *arguments)
                is_asked = True
            yield
            if is_asked:
                with _redis_may_be_away():
                    self._free_places[engine] = connection.read_response()[1]
                    is_read = True
        finally:
            self._unread.discard(engine)
            if connection is not None:
                if not is_read:
                    connection.disconnect()
                pool.release(connection)

    def _ask_arguments(self, engine: str, ticket: str, urgency: Urgency) -> list[Any]:
        limit = self._limits[engine]
        share = MARKS_SHARE if urgency is Urgency.WORD_MARKS else 1.0
        return [ticket, int(urgency), limit.per_second, limit.concurrent, LEASE_MS, FORGOTTEN_MS, share]

    def _leave(self, engine: str, ticket: str) -> None:
        pipeline = self._client.pipeline(transaction=False)
        for part in ("running", "waiting", "asked"):
            pipeline.zrem(speech_places(engine, part), ticket)
        with _redis_may_be_away():
            pipeline.execute()


@contextmanager
def _redis_may_be_away() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as error:
        log.warning("polly_limiter_away", error=type(error).__name__)


def _ask_keys(engine: str) -> list[str]:
    return [speech_places(engine, part) for part in _PARTS]
