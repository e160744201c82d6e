"""Session settings that came with a client secret, kept in Redis until its socket applies them."""

import json
import secrets
from typing import Any, cast

import redis

from sessions.redis_clients import control_client
from workers.errors import StreamsUnavailableError


def _key(wishes_id: str) -> str:
    return f"nova:wishes:{wishes_id}"


def keep_wishes(session: dict[str, Any], life_seconds: int) -> str:
    """Keep the `session` object of a client_secrets call; returns the id for the ticket."""
    wishes_id = secrets.token_urlsafe(16)
    try:
        control_client().set(_key(wishes_id), json.dumps(session), ex=life_seconds)
    except redis.RedisError as error:
        raise StreamsUnavailableError("Redis cannot be reached; try again in a moment") from error
    return wishes_id


def read_wishes(wishes_id: str) -> dict[str, Any] | None:
    """The `session` object to apply as a session.update right after the socket is open, if there is one."""
    if not wishes_id:
        return None
    try:
        kept = control_client().get(_key(wishes_id))
    except redis.RedisError as error:
        raise StreamsUnavailableError("Redis cannot be reached; try again in a moment") from error
    return None if kept is None else cast(dict[str, Any], json.loads(cast(bytes, kept)))
