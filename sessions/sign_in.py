"""How often somebody may try to sign in: by account and by address, counted in Redis for all web processes."""

import hashlib
from typing import cast

import redis

from sessions.redis_clients import control_client
from workers.errors import NovaError, StreamsUnavailableError

ATTEMPTS_PER_MINUTE = 5
WINDOW_SECONDS = 60

# A sliding window for each key; a try that is refused is not counted. Returns 0, or the seconds to wait.
_COUNT = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local window_ms = tonumber(ARGV[2]) * 1000
local wait = 0
for _, key in ipairs(KEYS) do
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now - window_ms)
  if redis.call('ZCARD', key) >= tonumber(ARGV[1]) then
    local oldest = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
    wait = math.max(wait, math.ceil((tonumber(oldest[2]) + window_ms - now) / 1000), 1)
  end
end
if wait > 0 then return wait end
for _, key in ipairs(KEYS) do
  redis.call('ZADD', key, now, string.format('%d-%s', now, ARGV[3]))
  redis.call('PEXPIRE', key, window_ms)
end
return 0
"""


class TooManyAttemptsError(NovaError):
    code = "too_many_attempts"
    retriable = True

    def __init__(self, wait_seconds: int) -> None:
        super().__init__(f"too many attempts to sign in; try again in {wait_seconds} s")
        self.wait_seconds = wait_seconds


def count_attempt(account: str, address: str, token: str) -> None:
    """Counts before the password is looked at. `token` tells this attempt from others of the same millisecond.

    Raises TooManyAttemptsError, or StreamsUnavailableError while nobody can count.
    """
    keys = [_key("account", account.strip().lower()), _key("address", address)]
    try:
        wait_seconds = cast(
            int, control_client().eval(_COUNT, len(keys), *keys, ATTEMPTS_PER_MINUTE, WINDOW_SECONDS, token)
        )
    except redis.RedisError as error:
        raise StreamsUnavailableError("Redis cannot be reached; try again in a moment") from error
    if wait_seconds:
        raise TooManyAttemptsError(wait_seconds)


def _key(kind: str, value: str) -> str:
    """Hashed: an account's name may be a password typed into the wrong field."""
    return f"nova:sign_in:{kind}:{hashlib.sha256(value.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"
