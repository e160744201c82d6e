"""What a talk leaves in the database: its turns whole, what was heard apart from what was not, and its costs."""

import asyncio
import sqlite3
from typing import Any, NamedTuple

import pytest

from tests.house import House
from tests.journeys.client import Client, connect_socket, tell_script, wait_until
from tests.journeys.conftest import Play
from tests.journeys.sounds import speech

HEARD_MS = 600
MS_PER_CHARACTER = 40
QUESTION = "How far away is the moon?"
ANSWER = "The moon is far away. Nobody walks there, and nobody will for a long time to come."
INPUT_TOKENS, OUTPUT_TOKENS = 1_000, 50


class Left(NamedTuple):
    client: Client
    rows: dict[str, list[dict[str, Any]]]


def _rows(house: House, channel_name: str) -> dict[str, list[dict[str, Any]]]:
    with sqlite3.connect(house.folder / "nova.sqlite3", timeout=10) as database:
        database.row_factory = sqlite3.Row
        (session,) = _select(database, "SELECT * FROM nova_sessions_session WHERE channel_name = ?", channel_name)
        tables = ("turn", "reply", "usage", "event", "decisionlog")
        rows = {
            table: _select(database, f"SELECT * FROM nova_sessions_{table} WHERE session_id = ?", session["id"])  # noqa: S608
            for table in tables
        }
    return {**rows, "session": [session]}


def _select(database: sqlite3.Connection, query: str, value: str) -> list[dict[str, Any]]:
    return [dict(row) for row in database.execute(query, [value])]


async def _interrupted_talk(house: House) -> Left:
    """A spoken question, an answer that is cut off, and the socket's end."""
    usage = {"inputTokens": INPUT_TOKENS, "outputTokens": OUTPUT_TOKENS}
    await tell_script(
        house,
        texts=[QUESTION],
        bedrock=[{"text": ANSWER, "usage": usage}],
        defaults={"polly": {"ms_per_character": MS_PER_CHARACTER}},
    )
    async with connect_socket(house) as client:
        await client.speak(speech(800))
        await client.wait_for("response.output_audio.delta")
        await client.wait_heard_ms(HEARD_MS)
        await client.send("response.cancel")
        await client.wait_for("response.done")
        await client.wait_for("nova.metrics")
        channel_name = str((await client.wait_for("nova.session")).event.channel_name)

    async def is_written() -> bool:
        rows = await asyncio.to_thread(_rows, house, channel_name)
        heard = [row for row in rows["usage"] if row["service"] == "speech_to_text"]
        return bool(heard and rows["turn"] and rows["session"][0]["disconnected_at"])

    await wait_until(is_written, "the talk's rows")
    return Left(client, await asyncio.to_thread(_rows, house, channel_name))


@pytest.fixture(scope="module")
def left(play: Play) -> Left:
    talked: Left = play(_interrupted_talk)
    return talked


def test_the_turn_is_a_row_with_its_words_and_delays(left: Left) -> None:
    (turn,) = left.rows["turn"]
    assert (turn["user_text"], turn["status"], turn["graph_name"]) == (QUESTION, "interrupted", "voice")
    assert turn["first_audio_ms"] > 0


def test_heard_and_unheard_text_are_kept_apart(left: Left) -> None:
    (reply,) = left.rows["reply"]
    assert ANSWER.startswith(reply["heard_text"])
    assert 0 < len(reply["heard_text"]) < len(reply["synthesised_text"])
    assert reply["unheard_characters"] == len(reply["synthesised_text"]) - len(reply["heard_text"])
    assert (reply["engine"], reply["reason"]) == ("generative", "client_cancelled")


def test_every_service_has_its_use_and_the_session_its_cost(left: Left) -> None:
    services = {row["service"]: row for row in left.rows["usage"] if row["purpose"] == "talk"}
    assert set(services) == {"speech_to_text", "language_model", "text_to_speech"}
    assert services["language_model"]["input_tokens"] > 0
    assert services["speech_to_text"]["billed_seconds"] == 15
    assert services["text_to_speech"]["characters"] > 0
    cost = sum(float(row["cost_usd"]) for row in left.rows["usage"])
    assert float(left.rows["session"][0]["cost_usd"]) == pytest.approx(cost)


def test_the_client_was_told_what_the_turn_has_cost(left: Left) -> None:
    usage = left.client.of("nova.metrics")[0].event.usage
    assert usage.cost_usd > 0
    assert usage.session_cost_usd >= usage.cost_usd


def test_the_session_knows_who_served_it_and_when(left: Left) -> None:
    (session,) = left.rows["session"]
    assert '"text_to_speech": "aws"' in session["providers"]
    assert session["connected_at"] < session["disconnected_at"]
    assert [row["kind"] for row in left.rows["event"]][:1] == ["socket_opened"]
    assert left.rows["decisionlog"]
