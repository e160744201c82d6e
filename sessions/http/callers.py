"""Finds out who calls, and how often they may; refuses strangers before a body is read."""

from dataclasses import dataclass
from typing import cast

import redis
from django.http import HttpRequest
from ninja.security.base import AuthBase
from ninja.utils import check_csrf

from sessions.access import OPEN_OWNER, authenticate_key, client_address, origin_is_allowed, user_owner
from sessions.configured import web_settings
from sessions.http.envelope import ForbiddenError, TooOftenError, UnauthorisedError
from sessions.operator_tables import KeyGrant
from sessions.redis_clients import control_client
from workers.errors import StreamsUnavailableError

WINDOW_US = 60_000_000

# A sliding window: the times of the last calls. Returns 0, or the microseconds until the next is allowed.
_COUNT_CALL = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local window = tonumber(ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)
local count = redis.call('ZCARD', KEYS[1])
if count >= tonumber(ARGV[1]) then
  local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
  return math.max(1, math.floor(tonumber(oldest[2]) + window - now))
end
redis.call('ZADD', KEYS[1], now, string.format('%d-%d', now, count))
redis.call('PEXPIRE', KEYS[1], math.ceil(window / 1000))
return 0
"""


@dataclass(frozen=True, slots=True)
class Caller:
    """`owner` is whose channels these are; `subject` is who is counted by the rate limit. `grant` is that of a key."""

    owner: str
    subject: str
    grant: KeyGrant | None = None

    def require(self, scope: str) -> None:
        """Raises ForbiddenError when the caller's key is not meant for this."""
        if self.grant is not None and scope not in self.grant.scopes:
            raise ForbiddenError(f"this API key has not the scope {scope!r}")

    @property
    def calls_per_minute(self) -> int:
        own = self.grant.calls_per_minute if self.grant is not None else None
        return web_settings().calls_per_minute if own is None else own


class CallerAuth(AuthBase):  # type: ignore[misc,unused-ignore]
    """An API key, or a signed-in user with the CSRF token; in open mode anyone of our own origin."""

    openapi_type = "http"
    openapi_scheme = "bearer"

    async def __call__(self, request: HttpRequest) -> Caller:
        refuse_foreign_origin(request)
        if web_settings().auth == "open":
            return open_caller(request)
        header = request.headers.get("Authorization")
        if header is not None:
            return _caller_with_key(header)
        return await _signed_in_caller(request)


def refuse_foreign_origin(request: HttpRequest) -> None:
    if not origin_is_allowed(request.headers.get("Origin"), request.get_host()):
        raise ForbiddenError("this origin may not call; see NOVA_ALLOWED_ORIGINS")


def open_caller(request: HttpRequest) -> Caller:
    return Caller(owner=OPEN_OWNER, subject=f"ip:{request_address(request)}")


def request_address(request: HttpRequest) -> str:
    forwarded = request.headers.get("X-Forwarded-For")
    return client_address([forwarded] if forwarded else [], request.META.get("REMOTE_ADDR") or "unknown")


def _caller_with_key(header: str) -> Caller:
    scheme, _, key = header.partition(" ")
    grant = authenticate_key(key.strip()) if scheme.lower() == "bearer" else None
    if grant is None:
        raise UnauthorisedError("unknown API key; send Authorization: Bearer <key>")
    return Caller(owner=grant.owner, subject=grant.owner, grant=grant)


async def _signed_in_caller(request: HttpRequest) -> Caller:
    user = await request.auser()
    if not user.is_authenticated or user.pk is None:
        raise UnauthorisedError("sign in, or send Authorization: Bearer <API key>")
    if check_csrf(request) is not None:
        raise ForbiddenError("the CSRF token is missing or wrong")
    owner = user_owner(user.pk)
    return Caller(owner=owner, subject=owner)


def count_call(caller: Caller, action: str) -> None:
    """Raises TooOftenError beyond the allowed calls a minute, StreamsUnavailableError while nobody can count."""
    key = f"nova:rate:{action}:{caller.subject}"
    try:
        wait_us = cast(int, control_client().eval(_COUNT_CALL, 1, key, caller.calls_per_minute, WINDOW_US))
    except redis.RedisError as error:
        raise StreamsUnavailableError("Redis cannot be reached; try again in a moment") from error
    if wait_us:
        raise TooOftenError(
            f"more than {caller.calls_per_minute} calls a minute", retry_after_seconds=-(-wait_us // 1_000_000)
        )
