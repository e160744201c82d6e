"""Brings the records stream into the database: in order, behind the talk, as often as it takes, nothing twice."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import structlog
from django.db import DataError, IntegrityError, close_old_connections
from redis import asyncio as aioredis

from sessions.records.endings import Endings
from sessions.records.entries import AnyRecord, read_record
from sessions.records.rows import write_batch
from workers.streams import keys

logger = structlog.get_logger(__name__)
BATCH_ENTRIES = 100
REFUSED_ENTRIES = 1_000
KEPT_MS = 900_000
"""Written entries stay so long for other readers of the stream; what was said must not lie there for ever."""
LIMIT_SECONDS = 20.0

Entry = tuple[bytes, dict[bytes, bytes]]
Answer = TypeVar("Answer")


class RecordWriter:
    """Remembers how far it came in Redis, after the rows were committed: a crash between the two writes a batch again.

    Its own thread: a locked database holds up no socket that is being opened. An entry that the database refuses for
    what is in it is put aside, so that those behind it are written.
    """

    def __init__(self, client: "aioredis.Redis") -> None:
        self._client = client
        self._thread = ThreadPoolExecutor(1, "records")
        self._endings = Endings()

    async def write_waiting(self) -> int:
        """One batch. Raises RedisError or DatabaseError; what was not written is tried again next time."""
        position: Any = await self._client.get(keys.RECORDS_POSITION) or b"0-0"
        entries: Any = await self._client.xrange(keys.RECORDS_STREAM, min=b"(" + position, count=BATCH_ENTRIES)
        if entries:
            written = await self._in_thread(lambda: write_entries(entries))
            await self._put_aside(written.refused)
            await self._client.set(keys.RECORDS_POSITION, entries[-1][0])
            await self._forget(written.gone)
        await self._trim(entries[-1][0] if entries else position)
        return len(entries)

    async def write_all(self) -> int:
        """Until nothing waits: after a database has come back, a second's pause between batches would be too long."""
        await self._in_thread(self._endings.look)
        count = 0
        while written := await self.write_waiting():
            count += written
            if written < BATCH_ENTRIES:
                break
        await self._in_thread(self._endings.tell)
        return count

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _in_thread(self, act: Callable[[], Answer]) -> Answer:
        async with asyncio.timeout(LIMIT_SECONDS):
            return await asyncio.get_running_loop().run_in_executor(self._thread, _on_own_connection, act)

    async def _put_aside(self, refused: list[Entry]) -> None:
        for entry_id, fields in refused:
            body = {b"body": fields.get(b"body", b""), b"entry": entry_id}
            await self._client.xadd(keys.REFUSED_RECORDS_STREAM, body, maxlen=REFUSED_ENTRIES, approximate=True)  # type: ignore[arg-type]

    async def _forget(self, gone: list[bytes]) -> None:
        """Entries of a session that was erased while they were on their way."""
        if gone:
            await self._client.xdel(keys.RECORDS_STREAM, *gone)

    async def _trim(self, position: bytes) -> None:
        milliseconds, _, number = position.decode().partition("-")
        seconds, _ = await self._client.time()
        kept_from_ms = seconds * 1_000 - KEPT_MS
        after_position = f"{milliseconds}-{int(number) + 1}"
        oldest = after_position if int(milliseconds) < kept_from_ms else str(max(0, kept_from_ms))
        await self._client.xtrim(keys.RECORDS_STREAM, minid=oldest, approximate=False)


def _on_own_connection(act: Callable[[], Answer]) -> Answer:
    close_old_connections()
    try:
        return act()
    finally:
        close_old_connections()


class Written:
    """What became of a batch beside its rows."""

    def __init__(self) -> None:
        self.refused: list[Entry] = []
        self.gone: list[bytes] = []


def write_entries(entries: list[Entry]) -> Written:
    """In the calling thread, and on its connection. Raises DatabaseError while the database is away or locked."""
    written = Written()
    readable: list[tuple[Entry, AnyRecord]] = []
    for entry in entries:
        try:
            readable.append((entry, read_record(entry[1][b"body"])))
        except (ValueError, KeyError, TypeError) as error:
            logger.error("record_malformed", entry_id=entry[0].decode(), error=type(error).__name__)
            written.refused.append(entry)
    try:
        _write(readable, written)
    except (DataError, IntegrityError):
        for each in readable:
            _write_alone(each, written)
    return written


def _write(readable: list[tuple[Entry, AnyRecord]], written: Written) -> None:
    gone = set(write_batch([record for _, record in readable]))
    written.gone += [entry[0] for entry, record in readable if record.session_id in gone]


def _write_alone(readable: tuple[Entry, AnyRecord], written: Written) -> None:
    try:
        _write([readable], written)
    except (DataError, IntegrityError) as error:
        logger.error("record_refused", entry_id=readable[0][0].decode(), error=type(error).__name__)
        written.refused.append(readable[0])
