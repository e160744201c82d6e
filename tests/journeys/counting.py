"""Talks in which one question is asked again and again and its answer is known, so that any loss of a turn shows."""

import asyncio
import sqlite3
from typing import Any

import psycopg

from tests.house import API_KEY, House
from tests.journeys.client import wait_until
from tests.journeys.returning import Returning, return_to

QUIET: dict[str, Any] = {"properties": {"llm": {"greeting": ""}}}
QUESTION = "Count, please."
TEXT = "One two three four five six. Seven eight nine ten eleven. Twelve thirteen fourteen."
CUT_BYTES = 10 * 48
"""Sound is made again from a whole millisecond on, and resampled from there."""


def script_count(house: House) -> None:
    """The model takes a second and a half to write its answer."""
    words = [f"{word} " for word in TEXT.split()]
    answer = {"match": {"last_user_text": QUESTION}, "deltas": words, "token_ms": 100, "times": 10_000}
    house.aws.script(bedrock=[answer])


async def talking(house: House, web: int = 0) -> Returning:
    return await return_to(house, key=API_KEY, web=web, **QUIET)


async def chat(talk: Returning, is_over: asyncio.Event, pause_seconds: float = 0.0) -> int:
    """Asks again and again, and comes back at the other web process when it is told to go. Returns how many answers came."""
    answers = 0
    while not is_over.is_set():
        await talk.ask_surely(QUESTION)
        answers += 1
        await asyncio.sleep(pause_seconds)
    return answers


def assert_whole(talk: Returning, answers: int) -> None:
    assert talk.gaps() == []
    assert list(talk.replies().values()) == [["completed"]] * answers
    said = [heard.event.response.output[0].content[0].transcript for heard in talk.client.of("response.done")]
    assert said == [TEXT] * answers
    items = [heard.event.response.output[0].id for heard in talk.client.of("response.done")]
    lengths = [len(talk.sound_of(item)) for item in items]
    assert not lengths or max(lengths) - min(lengths) <= CUT_BYTES


def turns_in_rows(house: House, session_id: str) -> list[tuple[str, str]]:
    query = "select reply_text, status from nova_sessions_turn where session_id = "
    url = house.environment["DATABASE_URL"]
    if url.startswith("sqlite:///"):
        with sqlite3.connect(url.removeprefix("sqlite:///")) as database:
            return list(database.execute(query + "?", [session_id]))
    with psycopg.connect(url) as connection:
        return [(str(text), str(status)) for text, status in connection.execute(query + "%s", [session_id])]


async def see_rows(house: House, talk: Returning, count: int) -> None:
    """V5: every finished turn is a row, once."""

    async def are_there() -> bool:
        return len(await asyncio.to_thread(turns_in_rows, house, talk.session_id)) >= count

    await wait_until(are_there, f"{count} turns in the database")
    assert turns_in_rows(house, talk.session_id) == [(TEXT, "completed")] * count
