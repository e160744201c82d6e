"""Erases a session: its rows, its entries on every stream, its keys in Redis; says what it removed, and may be repeated."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import redis
import structlog

from sessions.lifecycle import end_found_session
from sessions.models import FrameSet, Session, SessionState, Turn
from sessions.redis_clients import control_client
from workers.errors import StreamsUnavailableError
from workers.streams import keys

log = structlog.get_logger(__name__)
PAGE_ENTRIES = 500
APP = "nova_sessions."
UNSPOKEN_CONTROLS = ("session_started", "stop_session")


@dataclass(slots=True)
class Erasure:
    """What was removed: rows by table, entries by stream, keys. Nothing at all: there was no such session."""

    session_id: str
    was_running: bool = False
    rows: dict[str, int] = field(default_factory=dict)
    entries: dict[str, int] = field(default_factory=dict)
    keys: int = 0

    @property
    def is_empty(self) -> bool:
        return not (self.rows or self.entries or self.keys)


def erase_session(session_id: str) -> Erasure:
    """A running session is ended first. What a live process still writes of it is dropped by the record writer.

    Costs by day stay: they name nobody and hold nothing that was said. Raises DatabaseError, StreamsUnavailableError;
    what was removed until then is gone, and the next call goes on.
    """
    erasure = Erasure(session_id)
    session = Session.objects.filter(id=session_id).first()
    marks = {session_id}
    if session is not None:
        erasure.was_running = session.state == SessionState.STARTED and end_found_session(session, "stopped")
        marks |= _marks_of(session_id)
    try:
        _erase_in_redis(erasure, marks)
    except redis.RedisError as error:
        raise StreamsUnavailableError("Redis cannot be reached; nothing of the rows was erased yet") from error
    if session is not None:
        _, rows = session.delete()
        erasure.rows = {name.removeprefix(APP).lower(): count for name, count in rows.items() if count}
    log.info("session_erased", session_id=session_id, rows=erasure.rows, entries=erasure.entries, keys=erasure.keys)
    return erasure


def _marks_of(session_id: str) -> set[str]:
    """Ids that no other session has: what bears one of them is this one's."""
    turns = Turn.objects.filter(session_id=session_id).values_list("turn_id", "reply_id")
    frames = FrameSet.objects.filter(reply__session_id=session_id).values_list("frames", flat=True)
    pictures = {str(frame.get("key", "")) for shown in frames for frame in shown}
    return {mark for pair in turns for mark in pair if mark} | {mark for mark in pictures if mark}


def _erase_in_redis(erasure: Erasure, marks: set[str]) -> None:
    client: Any = control_client()
    streams = [keys.RECORDS_STREAM, keys.REFUSED_RECORDS_STREAM, keys.TRANSCRIPTS_STREAM, keys.CONTROL_STREAM]
    streams += [name.decode() for name in client.scan_iter(match=keys.output_stream("*"), count=1_000)]
    for stream in streams:
        removed = _erase_entries(client, stream, _bears(erasure.session_id, marks))
        if removed:
            erasure.entries[stream] = removed
    for name in client.scan_iter(match="nova:*", count=1_000):
        if any(mark in name.decode() for mark in marks):
            erasure.keys += client.delete(name)


def _says(entry: dict[str, Any]) -> bool:
    """Of the control stream only what holds words goes: the session's stop must still be read."""
    return entry.get("kind") not in UNSPOKEN_CONTROLS


def _bears(session_id: str, marks: set[str]) -> Callable[[bytes], bool]:
    def has_mark(body: bytes) -> bool:
        try:
            entry = json.loads(body)
        except ValueError:
            return session_id.encode() in body
        if not isinstance(entry, dict):
            return False
        names = (str(entry.get("session_id")), str(entry.get("transcript_id")).partition(".")[0])
        return any(name in marks for name in names) and _says(entry)

    return has_mark


def _erase_entries(client: Any, stream: str, is_ours: Callable[[bytes], bool]) -> int:
    removed = 0
    for page in _pages(client, stream):
        ours = [entry_id for entry_id, fields in page if is_ours(fields.get(b"body", b""))]
        removed += client.xdel(stream, *ours) if ours else 0
    return removed


def _pages(client: Any, stream: str) -> Iterable[list[tuple[bytes, dict[bytes, bytes]]]]:
    after = b"-"
    while page := client.xrange(stream, min=after, count=PAGE_ENTRIES):
        yield page
        after = b"(" + page[-1][0]
