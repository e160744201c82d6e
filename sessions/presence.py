"""When a session was last noticed, in Redis alone, by Redis's own clock; writes no row."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import redis

from sessions.models import Session
from sessions.redis_clients import control_client
from workers.errors import StreamsUnavailableError
from workers.streams import keys

# Longer than any timeout that `start` accepts, so that a missing key never means "just expired".
PRESENCE_LIFE_SECONDS = 90_000

_TOUCH = """
local time = redis.call('TIME')
local now_ms = string.format('%d', time[1] * 1000 + math.floor(time[2] / 1000))
for _, key in ipairs(KEYS) do redis.call('SET', key, now_ms, 'EX', ARGV[1]) end
return #KEYS
"""


def touch(session_ids: Iterable[str]) -> None:
    """Notice these sessions now; one round trip. Raises StreamsUnavailableError."""
    names = [keys.session_seen(session_id) for session_id in session_ids]
    if not names:
        return
    try:
        control_client().eval(_TOUCH, len(names), *names, PRESENCE_LIFE_SECONDS)
    except redis.RedisError as error:
        raise StreamsUnavailableError("Redis cannot be reached") from error


def idle_sessions(sessions: Sequence[Session]) -> list[Session]:
    """Those that were not noticed for longer than their timeout. Raises StreamsUnavailableError.

    A session without a key counts from its start, but never from before Redis itself started: a Redis that
    lost its data must not end the sessions whose sockets are still open.
    """
    if not sessions:
        return []
    try:
        now_ms, seen = _read(sessions)
        redis_started_ms = now_ms - _uptime_ms() if None in seen else 0
    except redis.RedisError as error:
        raise StreamsUnavailableError("Redis cannot be reached") from error
    return [
        session
        for session, seen_ms in zip(sessions, seen, strict=True)
        if session.timeout_seconds is not None
        and now_ms - _last_noticed_ms(session, seen_ms, redis_started_ms) > session.timeout_seconds * 1_000
    ]


def _read(sessions: Sequence[Session]) -> tuple[int, list[int | None]]:
    pipeline = control_client().pipeline(transaction=False)
    pipeline.time()
    pipeline.mget([keys.session_seen(session.id) for session in sessions])
    (seconds, microseconds), values = pipeline.execute()
    return seconds * 1_000 + microseconds // 1_000, [None if value is None else int(value) for value in values]


def _uptime_ms() -> int:
    server = control_client().info("server")
    return int(server["uptime_in_seconds"]) * 1_000


def _last_noticed_ms(session: Session, seen_ms: int | None, redis_started_ms: int) -> int:
    if seen_ms is not None:
        return seen_ms
    since_start = session.started_at - datetime(1970, 1, 1, tzinfo=UTC)
    return max(int(since_start.total_seconds() * 1_000), redis_started_ms)
