"""Requests that are handed to tasks which may be running already: put on a list by one side, taken by the other once."""

import time
from collections.abc import Callable
from typing import Any

import redis

from workers.streams import keys
from workers.streams.codec import to_json
from workers.streams.messages import ReplyRequest, SentenceWritten, SpeechRequest
from workers.streams.output_writer import add_output, written_together
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


class OpeningSpeech:
    """The first sentence's way from a reply to its waiting speech task. Used by one greenlet."""

    def __init__(self, client: "redis.Redis", request: ReplyRequest) -> None:
        self._client = client
        self._address = request.address
        self._voice = request.opening_voice
        self._is_awaited = request.opening_voice is not None

    def write_first(self, entry: SentenceWritten) -> None:
        """The sentence goes to the web process and to its speech task in one round trip, so that no speech comes before it.
        Raises StreamsUnavailableError."""
        with written_together(self._client) as pipeline:
            add_output(pipeline, self._address.output_stream, entry)
            if self._is_awaited and self._voice is not None:
                self._put(pipeline, to_json(SpeechRequest(self._address, 0, entry.text, self._voice)))

    def withdraw(self) -> None:
        """There is no first sentence: the waiting task may end."""
        if self._is_awaited:
            with written_together(self._client) as pipeline:
                self._put(pipeline, b"")

    def _put(self, pipeline: Any, body: bytes) -> None:
        self._is_awaited = False
        put_request(pipeline, keys.speech_request(self._address.reply_id, 0), body)
