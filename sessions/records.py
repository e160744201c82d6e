"""The outbox: finished turns go onto the records stream at once; a loop of one web process writes them as rows later."""

import json
from collections import deque
from typing import Any

import redis
import structlog
from asgiref.sync import sync_to_async
from django.db import close_old_connections, transaction
from pydantic import ValidationError
from redis import asyncio as aioredis

from sessions import lifecycle, metrics
from sessions.models import DecisionLog, Turn
from workers.streams import keys

logger = structlog.get_logger(__name__)
WAITING_RECORDS = 1_000
BATCH_ENTRIES = 100
Record = dict[str, Any]


class Outbox:
    """Keeps records while Redis is away (at most 1,000, the oldest goes first and is logged) and sends them afterwards."""

    def __init__(self, client: "aioredis.Redis") -> None:
        self._client = client
        self._waiting: deque[Record] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    async def keep(self, record: Record) -> None:
        """On the stream when this returns; with Redis away it is kept here instead."""
        self._waiting.append(record)
        if len(self._waiting) > WAITING_RECORDS:
            lost = self._waiting.popleft()
            metrics.RECORDS_LOST.inc()
            logger.error("record_lost", reply_id=lost.get("reply_id"))
        await self.flush()

    async def flush(self) -> None:
        while self._waiting:
            record = self._waiting[0]
            try:
                body = json.dumps(record)
                await self._client.xadd(
                    keys.RECORDS_STREAM, {"body": body}, maxlen=keys.RECORDS_STREAM_ENTRIES, approximate=True
                )
            except redis.RedisError as error:
                logger.warning("record_waits", error=type(error).__name__, waiting=len(self._waiting))
                return
            if self._waiting and self._waiting[0] is record:
                self._waiting.popleft()


class RecordWriter:
    """Writes entries in order and remembers how far it came in Redis; writing the same record twice changes nothing."""

    def __init__(self, client: "aioredis.Redis") -> None:
        self._client = client

    async def write_waiting(self) -> int:
        """One batch. Raises RedisError or DatabaseError; what was not written is tried again next time."""
        position: Any = await self._client.get(keys.RECORDS_POSITION) or b"0-0"
        entries: Any = await self._client.xrange(keys.RECORDS_STREAM, min=b"(" + position, count=BATCH_ENTRIES)
        if entries:
            await sync_to_async(_write_rows)([fields[b"body"] for _, fields in entries])
            await self._client.set(keys.RECORDS_POSITION, entries[-1][0])
        return len(entries)


def _write_rows(bodies: list[bytes]) -> None:
    """One connection, one transaction, a few statements a batch: the voices of this process share its interpreter."""
    close_old_connections()
    rows = _Rows()
    for body in bodies:
        try:
            rows.add(json.loads(body))
        except (ValidationError, ValueError, KeyError) as error:
            logger.error("record_malformed", error=type(error).__name__)
    with transaction.atomic():
        rows.write()


class _Rows:
    """A batch by kind. What was heard corrects turns of this batch or an earlier one, so it is written last."""

    def __init__(self) -> None:
        self._turns: list[Turn] = []
        self._decisions: list[DecisionLog] = []
        self._heard: list[tuple[str, str]] = []

    def add(self, record: Record) -> None:
        if record.get("kind") == "heard":
            self._heard.append((str(record["reply_id"]), str(record["heard_text"])))
        elif record.get("kind") == "decisions":
            self._decisions.append(lifecycle.decisions_of(record))
        else:
            self._turns.append(lifecycle.turn_of(record))

    def write(self) -> None:
        if self._turns:
            lifecycle.record_turns(self._turns)
        if self._decisions:
            lifecycle.record_decisions(self._decisions)
        for reply_id, heard_text in self._heard:
            lifecycle.correct_heard_text(reply_id, heard_text)
