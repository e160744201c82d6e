"""The gate rows of the outbox: a database that is locked or away, crashes at every step, connections, erasure."""

import asyncio
import io
import json
import random
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest
import redis
from asgiref.sync import sync_to_async
from channels.db import database_sync_to_async
from django.core.management import call_command
from django.db import DatabaseError, connections
from django.utils import timezone
from redis import asyncio as aioredis

from sessions import lifecycle
from sessions.models import DailyUsage, Reply, Session, Turn, Usage
from sessions.records import writer as writing
from sessions.records.erasure import erase_session
from sessions.records.outbox import Outbox
from sessions.records.retention import retire_some
from sessions.records.rows import write_batch
from sessions.records.writer import RecordWriter
from tests.postgres import Postgres
from tests.unit.record_samples import (  # noqa: F401
    database,
    empty_database,
    event,
    make_session,
    postgres,
    postgres_url,
    read,
    speaking,
    thinking,
    turn,
)
from tests.unit.web_site import Configure, configure  # noqa: F401
from workers.streams import keys

# ruff: noqa: F811
pytestmark = pytest.mark.usefixtures("empty_database")

RUNS = 50
LONGEST_TALK_SECONDS = 1.0


class CrashError(BaseException):
    """The process dies here."""


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator["aioredis.Redis"]:
    client = aioredis.Redis.from_url(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
def writer(client: "aioredis.Redis") -> Iterator[RecordWriter]:
    writer = RecordWriter(client)
    yield writer
    writer.close()


async def _talk(outbox: Outbox, turns: range) -> None:
    for number in turns:
        await outbox.keep(turn(number, usages=[thinking(f"resp_sess_1_{number}")], events=[event(number)]))


def _counts() -> tuple[int, ...]:
    session = Session.objects.get()
    uses = sum(DailyUsage.objects.values_list("calls", flat=True))
    return (
        Turn.objects.count(),
        Reply.objects.count(),
        session.turn_count,
        session.fault_count,
        Usage.objects.count(),
        uses,
    )


counts = sync_to_async(_counts)


@contextmanager
def _database_away(url: str, server: Callable[[], Postgres]) -> Iterator[None]:
    """SQLite's write lock is held by another; PostgreSQL is stopped."""
    if url.startswith("sqlite"):
        other = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        yield
        other.rollback()
        other.close()
    else:
        server().stop()
        try:
            yield
        finally:
            server().start()


@pytest.fixture
def impatient(database: str) -> Iterator[None]:
    """A try against a database that is away gives up soon; it is the tries that are counted, not the time."""
    connection: Any = connections["default"]
    options = connection.settings_dict["OPTIONS"]
    before = dict(options)
    is_postgres = connection.vendor == "postgresql"
    options.update({"pool": {**options["pool"], "timeout": 0.5}} if is_postgres else {"timeout": 0.1})
    connection.close()
    if is_postgres:
        connection.close_pool()
    yield
    options.clear()
    options.update(before)
    connection.close()


@pytest.mark.usefixtures("impatient")
async def test_db_01_a_database_that_is_locked_or_away_loses_nothing_and_delays_no_word(
    database: str, client: "aioredis.Redis", writer: RecordWriter, request: pytest.FixtureRequest
) -> None:
    await sync_to_async(make_session)()
    await sync_to_async(connections.close_all)()
    outbox, failures, longest = Outbox(client), 0, 0.0
    with _database_away(database, lambda: request.getfixturevalue("postgres")):
        for tries in range(3):
            attempt = asyncio.create_task(writer.write_waiting())
            for number in range(tries * 50, tries * 50 + 50):
                began_at = time.monotonic()
                await _talk(outbox, range(number, number + 1))
                longest = max(longest, time.monotonic() - began_at)
            try:
                await attempt
            except DatabaseError:
                failures += 1
    assert failures >= 2
    assert longest < LONGEST_TALK_SECONDS
    assert await writer.write_all() == 150
    assert await counts() == (150,) * 6


async def test_db_02_two_hundred_sockets_at_once_take_no_more_connections_than_the_pool_has(database: str) -> None:
    await sync_to_async(make_session)()

    def find(_: int) -> tuple[str, int]:
        found = lifecycle.find_started("channel of sess_1")
        return (found.id if found is not None else "", _open_connections(database))

    ours = [database_sync_to_async(find)(number) for number in range(100)]
    others = [database_sync_to_async(find, thread_sensitive=False)(number) for number in range(100)]
    found = await asyncio.gather(*ours, *others)
    assert {session_id for session_id, _ in found} == {"sess_1"}
    assert max(count for _, count in found) <= POOL
    await sync_to_async(connections.close_all)()


POOL = 8


def _open_connections(url: str) -> int:
    if url.startswith("sqlite"):
        return 0
    others = "datname = current_database() AND application_name <> 'counter'"
    with psycopg.connect(url, application_name="counter") as connection:
        row = connection.execute(f"SELECT count(*) FROM pg_stat_activity WHERE {others}").fetchone()  # noqa: S608
    assert row is not None
    return int(row[0])


async def test_db_03_a_crash_at_any_step_between_stream_and_rows_loses_nothing_and_doubles_nothing(
    client: "aioredis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    await sync_to_async(make_session)()
    outbox, chance, written = Outbox(client), random.Random(3), 0
    for run in range(RUNS):
        await _talk(outbox, range(run * 3, run * 3 + 3))
        with monkeypatch.context() as patches:
            crash_at = chance.choice(STEPS)
            crash_at(patches, client)
            dying = RecordWriter(client)
            with pytest.raises(CrashError):
                await dying.write_waiting()
            dying.close()
        if run % 5 == 0:
            heir = RecordWriter(client)
            written += await heir.write_all()
            heir.close()
    heir = RecordWriter(client)
    written += await heir.write_all()
    heir.close()
    assert await counts() == (RUNS * 3,) * 6
    assert written <= RUNS * 3


def _before_the_rows(patches: pytest.MonkeyPatch, client: Any) -> None:
    patches.setattr(writing, "write_batch", _crash)


def _in_the_transaction(patches: pytest.MonkeyPatch, client: Any) -> None:
    """All rows were written and none is committed."""
    patches.setattr("sessions.records.rows._Batch._write_sessions", _crash)


def _after_the_commit(patches: pytest.MonkeyPatch, client: Any) -> None:
    def write_and_crash(records: Any) -> None:
        write_batch(records)
        raise CrashError

    patches.setattr(writing, "write_batch", write_and_crash)


def _before_the_position(patches: pytest.MonkeyPatch, client: Any) -> None:
    patches.setattr(client, "set", _crash)


def _after_the_position(patches: pytest.MonkeyPatch, client: Any) -> None:
    patches.setattr(client, "xtrim", _crash)


STEPS = (_before_the_rows, _in_the_transaction, _after_the_commit, _before_the_position, _after_the_position)


def _crash(*_: Any, **__: Any) -> None:
    raise CrashError


async def test_db_03_a_send_that_was_cut_short_is_sent_again_and_written_once(
    client: "aioredis.Redis", writer: RecordWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sync_to_async(make_session)()
    outbox = Outbox(client)
    send = client.xadd

    async def send_and_fail(*arguments: Any, **named: Any) -> Any:
        await send(*arguments, **named)
        raise redis.ConnectionError

    with monkeypatch.context() as patches:
        patches.setattr(client, "xadd", send_and_fail)
        await _talk(outbox, range(1))
    assert outbox.waiting == 1
    await outbox.flush()
    assert (outbox.waiting, await client.xlen(keys.RECORDS_STREAM)) == (0, 2)
    await writer.write_all()
    assert await counts() == (1,) * 6


async def test_records_at_once_stand_on_the_stream_once_and_in_order(client: "aioredis.Redis") -> None:
    outbox = Outbox(client)
    await asyncio.gather(*(outbox.keep({"number": number}) for number in range(50)))
    entries: Any = await client.xrange(keys.RECORDS_STREAM)
    assert [json.loads(fields[b"body"])["number"] for _, fields in entries] == list(range(50))


async def test_what_was_written_stays_on_the_stream_for_a_quarter_of_an_hour_only(
    client: "aioredis.Redis", writer: RecordWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sync_to_async(make_session)()
    await _talk(Outbox(client), range(3))
    assert await writer.write_all() == 3
    assert await client.xlen(keys.RECORDS_STREAM) == 3
    monkeypatch.setattr(writing, "KEPT_MS", -2_000)
    await writer.write_waiting()
    assert await client.xlen(keys.RECORDS_STREAM) == 0


# --- erasure and retention ------------------------------------------------------------------------------------------------

SECRET = "the name of the patient is Canary Jones"
OTHER = "sess_2"


def _leave_traces(store: "redis.Redis", session_id: str) -> None:
    """What a talk leaves everywhere, rows aside."""
    turn_id, reply_id = f"turn_{session_id}_1", f"resp_{session_id}_1"
    body = json.dumps({"session_id": session_id, "kind": "sentence_written", "text": SECRET})
    words = json.dumps({"transcript_id": f"{turn_id}.1", "state": "final", "text": SECRET})
    store.xadd(keys.output_stream("web"), {"body": body})
    store.xadd(keys.TRANSCRIPTS_STREAM, {"body": words})
    store.xadd(keys.RECORDS_STREAM, {"body": json.dumps(turn(1, session_id, user_text=SECRET))})
    store.xadd(
        keys.CONTROL_STREAM, {"body": json.dumps({"session_id": session_id, "kind": "say_text", "text": SECRET})}
    )
    store.rpush(keys.reply_request(f"{reply_id}.0"), SECRET)
    store.set(keys.kept_frame(f"frame_{session_id}"), SECRET)
    store.set(f"nova:session:{session_id}:items", SECRET)


def _make_traces(store: "redis.Redis", session_id: str) -> None:
    make_session(session_id)
    frame = {"key": keys.kept_frame(f"frame_{session_id}"), "source": "camera"}
    reply_id = f"resp_{session_id}_1"
    write_batch(read(turn(1, session_id, user_text=SECRET, frames=[frame], usages=[speaking(reply_id)])))
    _leave_traces(store, session_id)


def _found(store: "redis.Redis", session_id: str) -> list[str]:
    """Where in Redis the session still stands, beside its stop and the note that nothing is to be kept of it."""
    kept = keys.session_forgotten(session_id)
    names: Any = list(store.scan_iter("*"))
    return sorted(
        name.decode()
        for name in names
        if session_id in str(_content(store, name)) + name.decode() and name.decode() not in (kept, keys.CONTROL_STREAM)
    )


def _content(store: "redis.Redis", name: bytes) -> Any:
    kind: Any = store.type(name)
    read_by: dict[bytes, Callable[[bytes], Any]] = {
        b"string": store.get,
        b"list": lambda key: store.lrange(key, 0, -1),
        b"stream": store.xrange,
    }
    return read_by[kind](name)


def test_db_09_erasure_removes_one_session_everywhere_and_says_so(configure: Configure, redis_url: str) -> None:
    store = redis.Redis.from_url(redis_url)
    _make_traces(store, "sess_1")
    _make_traces(store, OTHER)
    others = _found(store, OTHER)
    out = io.StringIO()
    call_command("erase_session", "sess_1", stdout=out)
    told = out.getvalue()
    assert "was running and has been ended" in told
    assert all(word in told for word in ("1 rows", "turn", "stream entries", "nova:records", "keys"))
    assert list(Session.objects.values_list("id", flat=True)) == [OTHER]
    assert Turn.objects.get().session_id == OTHER
    assert _found(store, "sess_1") == []
    entries: Any = store.xrange(keys.CONTROL_STREAM)
    controls = [json.loads(fields[b"body"]) for _, fields in entries]
    assert [each["kind"] for each in controls if each["session_id"] == "sess_1"] == ["stop_session"]
    assert _found(store, OTHER) == others


def test_db_09_erasure_may_be_repeated_and_the_costs_stay(configure: Configure, redis_url: str) -> None:
    _make_traces(redis.Redis.from_url(redis_url), "sess_1")
    assert not erase_session("sess_1").is_empty
    assert erase_session("sess_1").is_empty
    assert DailyUsage.objects.get().characters == 26


async def test_db_09_what_comes_after_the_erasure_is_not_kept(client: "aioredis.Redis", writer: RecordWriter) -> None:
    await _talk(Outbox(client), range(1))
    await writer.write_all()
    assert await client.xlen(keys.RECORDS_STREAM) == 0
    assert not await sync_to_async(Turn.objects.exists)()


def _ended(session_id: str, days_ago: float) -> None:
    make_session(session_id, state="ended", ended_at=timezone.now() - timedelta(days=days_ago))
    write_batch(read(turn(1, session_id)))


def test_db_09_old_sessions_are_removed_and_young_and_running_ones_stay(configure: Configure) -> None:
    _ended("old", 31)
    _ended("young", 29)
    make_session("running", started_at=timezone.now() - timedelta(days=90))
    assert retire_some(0) == 0
    assert (retire_some(30), retire_some(30)) == (1, 0)
    assert sorted(Session.objects.values_list("id", flat=True)) == ["running", "young"]
    assert Turn.objects.get().session_id == "young"


def test_the_commands_of_housekeeping_say_what_they_did(configure: Configure) -> None:
    configure(records_kept_days=30)
    _ended("old", 31)
    out = io.StringIO()
    call_command("retire_records", "--dry-run", stdout=out)
    call_command("reap", stdout=out)
    call_command("retire_records", "--days", "1", stdout=out)
    assert out.getvalue().splitlines() == [
        "1 sessions ended more than 30 days ago",
        "0 idle sessions ended, 1 old sessions removed",
        "0 sessions removed that ended more than 1 days ago",
    ]
