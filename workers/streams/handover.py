"""Requests that are handed to tasks which may be running already: put on a list by one side, taken by the other once."""

import time
from collections.abc import Callable
from typing import Any

import redis

from workers.streams import keys
from workers.streams.redis_clients import BLOCK_MS

RETRY_SECONDS = 0.2


def put_request(commands: Any, key: str, body: bytes) -> None:
    """`commands` is a client or a pipeline, of either kind. A request nobody takes is gone after 120 s."""
    commands.rpush(key, body)
    commands.expire(key, keys.REQUEST_LIFE_SECONDS)


class Handover:
    """A worker process's end: waits for requests. Safe to use from many greenlets, each with its own connection."""

    def __init__(self, client: "redis.Redis") -> None:
        self._client = client

    def take(self, key: str, wait_seconds: float, is_given_up: Callable[[], bool] = lambda: False) -> bytes | None:
        """None when nothing came in time, or within a second of `is_given_up`; survives a Redis that is away for a
        moment."""
        deadline = time.monotonic() + wait_seconds
        while (remaining := deadline - time.monotonic()) > 0:
            try:
                taken: Any = self._client.blpop([key], timeout=min(remaining, BLOCK_MS / 1_000))
            except redis.RedisError:
                time.sleep(RETRY_SECONDS)
                continue
            if taken is not None:
                return bytes(taken[1])
            if is_given_up():
                return None
        return None
