"""Gate rows DB-01 and DB-03 on real processes: another process locks the database while people talk, writers die."""

import asyncio
import sqlite3
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any

import pytest

from sessions.web_process import RECORD_WRITER
from tests.house import House
from tests.journeys.client import Client, connect_socket, tell_script, wait_until
from tests.journeys.sounds import speech
from workers.streams import keys

QUICK_VOICE = {"polly": {"ms_per_character": 10}}
AWAY_SECONDS = 10.0
FLUSH_SECONDS = 5.0
HEIR_SECONDS = 10.0
"""The lease of the one that died, and the writing."""
WAITING_MS = 1_000.0
"""Whoever waited for the database would wait much longer than this; the machine alone makes less of a difference."""
LOCK = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
database.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
database.rollback()
"""


@asynccontextmanager
async def database_locked(house: House) -> AsyncIterator[None]:
    """By a process of its own; nobody else writes meanwhile."""
    locker = await asyncio.create_subprocess_exec(
        sys.executable, "-c", LOCK, str(house.folder / "nova.sqlite3"), stdin=PIPE, stdout=PIPE
    )
    try:
        assert locker.stdout is not None
        assert await locker.stdout.readline() == b"locked\n"
        yield
    finally:
        await locker.communicate(b"")


def rows_of(house: House, channel_name: str) -> dict[str, Any]:
    with closing(sqlite3.connect(house.folder / "nova.sqlite3", timeout=10)) as database:
        select = "SELECT id, turn_count, cost_usd FROM nova_sessions_session WHERE channel_name = ?"
        session_id, turn_count, cost_usd = database.execute(select, [channel_name]).fetchone()
        turns = "SELECT reply_id FROM nova_sessions_turn WHERE session_id = ? ORDER BY started_at, id"
        usage = "SELECT coalesce(sum(cost_usd), 0) FROM nova_sessions_usage WHERE session_id = ?"
        return {
            "replies": [reply_id for (reply_id,) in database.execute(turns, [session_id])],
            "turn_count": turn_count,
            "cost_usd": float(cost_usd),
            "usage_usd": float(database.execute(usage, [session_id]).fetchone()[0]),
        }


async def wait_written(house: House, client: Client, seconds: float) -> dict[str, Any]:
    """The session's rows, once every response that its client saw is one of them."""
    channel_name = str((await client.wait_for("nova.session")).event.channel_name)
    told = [heard.event.response.id for heard in client.of("response.done")]

    async def are_written() -> bool:
        return len((await asyncio.to_thread(rows_of, house, channel_name))["replies"]) >= len(told)

    await wait_until(are_written, f"rows of {len(told)} turns", seconds)
    rows = await asyncio.to_thread(rows_of, house, channel_name)
    assert rows["replies"] == told
    assert rows["turn_count"] == len(told)
    assert rows["cost_usd"] == pytest.approx(rows["usage_usd"])
    return rows


async def speak(client: Client) -> float:
    """One spoken turn; milliseconds from the end of the voice to the first sound of the answer."""
    before = client.now
    await client.speak(speech(500), silence_ms=1_000)
    measured = (await client.wait_for("nova.metrics", after=before)).event.delays_ms
    await client.wait_for("response.done", after=before)
    return float(measured.end_of_turn + measured.first_audio)


async def test_db_01_a_locked_database_delays_no_word_of_a_talk_and_loses_no_turn(house: House) -> None:
    await tell_script(
        house, texts=["How far is the moon?"] * 20, bedrock=[{"text": "Far.", "times": 20}], defaults=QUICK_VOICE
    )
    async with connect_socket(house) as client:
        before_ms = [await speak(client) for _ in range(2)]
        await wait_written(house, client, FLUSH_SECONDS)
        loop, during_ms = asyncio.get_running_loop(), list[float]()
        async with database_locked(house):
            until = loop.time() + AWAY_SECONDS
            while loop.time() < until:
                during_ms.append(await speak(client))
        rows = await wait_written(house, client, FLUSH_SECONDS)
    assert len(rows["replies"]) == len(before_ms) + len(during_ms)
    assert client.fault_codes() == []
    assert max(during_ms) < max(before_ms) + WAITING_MS, (before_ms, during_ms)


async def writer_of(house: House) -> int:
    """Which web process writes the records now; a lease that has just run out is taken within a second."""
    found: list[int] = []

    def look() -> None:
        holder: Any = house.redis().get(keys.single_loop_lease(RECORD_WRITER)) or b"nobody at all"
        found.extend(number for number, web in enumerate(house.webs) if holder.decode() in web.log())

    async def is_found() -> bool:
        await asyncio.to_thread(look)
        return bool(found)

    await wait_until(is_found, "a writer of records")
    return found[0]


async def test_db_03_a_writer_that_is_killed_in_a_batch_loses_no_turn_and_doubles_none(house: House) -> None:
    """At the moment when its batch can be committed. It comes back at once; whoever has the lease then writes."""
    await tell_script(house, bedrock=[{"text": "Far.", "times": 20}], defaults=QUICK_VOICE)
    writer = await writer_of(house)
    async with connect_socket(house, web=1 - writer) as client:
        await client.ask("Is it far?")
        await wait_written(house, client, FLUSH_SECONDS)
        async with database_locked(house):
            for _ in range(3):
                await client.ask("And now?")
        await asyncio.to_thread(house.webs[writer].kill)
        house.webs[writer].start()
        try:
            await wait_written(house, client, HEIR_SECONDS)
        finally:
            await asyncio.to_thread(house.webs[writer].wait_for_url, f"{house.urls[writer]}/readyz")
        assert client.fault_codes() == []
