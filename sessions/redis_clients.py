"""The web process's Redis client for short synchronous commands, and the writer of the control stream."""

import functools
from urllib.parse import urlsplit

import redis
import structlog

from sessions.configured import web_settings
from workers.errors import StreamsUnavailableError
from workers.streams import kept_pictures, keys
from workers.streams.codec import control_fields
from workers.streams.messages import AnyControl
from workers.streams.redis_clients import command_client

logger = structlog.get_logger(__name__)

CONTROL_STREAM_ENTRIES = 10_000
DEFAULT_PORT = 6379


def control_client() -> "redis.Redis":
    """Made once per URL; every command is limited to about a second."""
    return _client(web_settings().redis_url)


@functools.cache
def _client(url: str) -> "redis.Redis":
    return command_client(url)


def check_reached() -> None:
    """Raises StreamsUnavailableError that names the address; an address may hold a password, its host does not."""
    try:
        control_client().ping()
    except redis.RedisError as error:
        address = urlsplit(web_settings().redis_url)
        place = f"{address.hostname}:{address.port or DEFAULT_PORT}" if address.hostname else address.path
        raise StreamsUnavailableError(f"Redis cannot be reached at {place}; start it, or correct REDIS_URL") from error


def publish_control(message: AnyControl) -> None:
    """Tell every web process. Raises StreamsUnavailableError."""
    try:
        control_client().xadd(
            keys.CONTROL_STREAM,
            control_fields(message),
            maxlen=CONTROL_STREAM_ENTRIES,
            approximate=True,
        )
    except redis.RedisError as error:
        raise StreamsUnavailableError("Redis cannot be reached; try again in a moment") from error


def forget_pictures(session_id: str) -> None:
    """The pictures of a session that has ended are gone at once; with Redis away they end by their own life."""
    try:
        kept_pictures.forget_session(control_client(), session_id)
    except redis.RedisError as error:
        logger.warning("pictures_not_forgotten", session_id=session_id, error=type(error).__name__)
