"""Reads on where another web process stopped: what workers still write for a reply that was taken up; for a limited time."""

import asyncio
from typing import Any

import redis
import structlog
from pydantic import ValidationError
from redis import asyncio as aioredis

from sessions.live.session import LiveSession
from workers.streams.codec import output_from_fields

logger = structlog.get_logger(__name__)

POLL_SECONDS = 0.05
LIMIT_SECONDS = 60.0
BATCH_ENTRIES = 200


class OutputFollower:
    """One per web process. Speech is made anew, so only what a model writes is read; beats keep its task from being lost."""

    def __init__(self, client: "aioredis.Redis") -> None:
        self._client = client
        self._tasks: set[asyncio.Task[None]] = set()

    def follow(self, session: LiveSession, stream: str, position: str) -> None:
        """Until the reply is written; returns at once."""
        if not session.continuing.is_reply_being_written:
            return
        task = asyncio.get_running_loop().create_task(self._follow(session, stream, position))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _follow(self, session: LiveSession, stream: str, position: str) -> None:
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + LIMIT_SECONDS
        while session.is_started and session.continuing.is_reply_being_written and loop.time() < ends_at:
            try:
                entries: Any = await self._client.xrange(stream, min=f"({position}", count=BATCH_ENTRIES)
            except redis.RedisError as error:
                logger.warning("output_not_followed", error=type(error).__name__)
                entries = []
            for entry_id, fields in entries:
                position = entry_id.decode()
                self._take(session, fields)
            await asyncio.sleep(POLL_SECONDS)

    def _take(self, session: LiveSession, fields: dict[bytes, bytes]) -> None:
        """Most entries are others': theirs are not parsed."""
        if b"data" in fields or session.session_id.encode() not in fields.get(b"body", b""):
            return
        try:
            session.continuing.take_from_before(output_from_fields(fields))
        except (ValidationError, ValueError) as error:
            logger.error("entry_unreadable", error=type(error).__name__)
