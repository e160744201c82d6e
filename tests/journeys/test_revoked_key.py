"""A key of the admin is revoked or expires: its talks end, by the key and by its ticket, at whichever web process."""

import asyncio
import secrets
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from websockets.exceptions import InvalidStatus

from sessions.operator_tables import digest_of, owner_of_digest
from tests.house import House
from tests.journeys.client import Client, connect, connect_socket, generate_ticket, wait_until
from tests.journeys.conftest import FOREIGN_KEY
from workers.streams import keys
from workers.streams.codec import control_fields
from workers.streams.messages import OperatorTablesChanged

KEY_ENDED = 4401
LIMIT_SECONDS = 10.0
End = Callable[[House, str], Awaitable[None]]


async def write(house: House, statement: str, *values: object) -> None:
    """What the admin does with a key: its row, and the word to all web processes."""

    def act() -> None:
        with closing(sqlite3.connect(house.folder / "nova.sqlite3", timeout=10)) as database, database:
            database.execute(statement, values)
        house.redis().xadd(keys.CONTROL_STREAM, control_fields(OperatorTablesChanged()))

    await asyncio.to_thread(act)


async def make_key(house: House) -> str:
    key = "nova_" + secrets.token_urlsafe(32)
    digest, now = digest_of(key), datetime.now(UTC)
    statement = (
        "INSERT INTO nova_sessions_apikey (name, shown_start, digest, owner, scopes, created_at, created_by)"
        """ VALUES ('journey', 'nova_', ?, ?, '["tickets", "sessions", "socket"]', ?, '')"""
    )
    await write(house, statement, digest, owner_of_digest(digest), now)

    async def is_known() -> bool:
        for web in range(len(house.urls)):
            try:
                async with connect(house, key=key, web=web):
                    pass
            except InvalidStatus:
                return False
        return True

    await wait_until(is_known, "the key in every web process")
    return key


async def revoke(house: House, key: str) -> None:
    await write(
        house, "UPDATE nova_sessions_apikey SET revoked_at = ? WHERE digest = ?", datetime.now(UTC), digest_of(key)
    )


async def let_expire(house: House, key: str) -> None:
    """Nobody tells the web processes when its time comes."""
    soon = datetime.now(UTC) + timedelta(seconds=1)
    await write(house, "UPDATE nova_sessions_apikey SET expires_at = ? WHERE digest = ?", soon, digest_of(key))


async def end_reason(house: House, client: Client) -> str:
    channel_name = (await client.wait_for("nova.session")).event.channel_name

    def read() -> str:
        with closing(sqlite3.connect(house.folder / "nova.sqlite3", timeout=10)) as database:
            query = "SELECT end_reason FROM nova_sessions_session WHERE channel_name = ?"
            return str(database.execute(query, [channel_name]).fetchone()[0])

    async def has_ended() -> bool:
        return bool(await asyncio.to_thread(read))

    await wait_until(has_ended, "the end of the session's row")
    return await asyncio.to_thread(read)


@pytest.mark.parametrize("end", [revoke, let_expire])
async def test_a_key_that_ends_ends_its_talks_and_opens_nothing_more(house: House, end: End) -> None:
    key = await make_key(house)
    _, ticket = await generate_ticket(house, key=key)
    async with (
        connect_socket(house, key=key, web=0) as by_key,
        connect_socket(house, key=ticket, web=1) as by_ticket,
        connect_socket(house, key=FOREIGN_KEY, web=0) as of_another,
    ):
        await by_key.wait_for("session.created")
        await by_ticket.wait_for("session.created")
        await end(house, key)
        for client in (by_key, by_ticket):
            assert await client.wait_closed(LIMIT_SECONDS) == KEY_ENDED
            assert client.fault_codes() == ["api_key_ended"]
        assert await end_reason(house, by_key) == "key_ended"
        for web in range(len(house.urls)):
            with pytest.raises(InvalidStatus, match="401"):
                async with connect_socket(house, key=ticket, web=web):
                    pass
        assert of_another.close_code is None
