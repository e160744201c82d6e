"""Leases of loops that must be alone: whoever has one keeps it through the pause between two rounds."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from redis import asyncio as aioredis

from sessions import web_process
from sessions.alerts import LOOK_SECONDS
from sessions.leases import LEASE_MS, Leases
from sessions.web_process import ALERTS, HOUSEKEEPING_SECONDS, RECORD_PAUSE_SECONDS, WebProcess
from tests.unit.web_site import Configure, configure  # noqa: F401
from workers.streams import keys

# ruff: noqa: F811


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator["aioredis.Redis"]:
    client = aioredis.Redis.from_url(redis_url)
    yield client
    await client.aclose()


@pytest.mark.parametrize("pause_seconds", [RECORD_PAUSE_SECONDS, LOOK_SECONDS, HOUSEKEEPING_SECONDS])
async def test_a_lease_lasts_longer_than_the_pause_between_two_rounds(
    client: "aioredis.Redis", pause_seconds: float
) -> None:
    assert await Leases(client, "first").hold("loop", pause_seconds)
    assert await client.pttl(keys.single_loop_lease("loop")) > pause_seconds * 1_000 + 1_000
    assert not await Leases(client, "second").hold("loop", pause_seconds)
    assert await Leases(client, "first").hold("loop", pause_seconds)


async def test_a_loop_of_short_rounds_is_taken_over_as_soon_as_ever(client: "aioredis.Redis") -> None:
    await Leases(client, "first").hold("loop", 1.0)
    assert await client.pttl(keys.single_loop_lease("loop")) <= LEASE_MS


async def test_of_two_web_processes_one_alone_looks_for_alerts(
    client: "aioredis.Redis", configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also at the very end of the pause, to which the lease is brought by hand."""
    configure()
    monkeypatch.setattr(web_process, "set_onlookers", lambda _: None)
    first, second = WebProcess(), WebProcess()
    looks: list[str] = []

    async def one_round(_: float, step: Callable[[], Awaitable[None]]) -> None:
        await step()

    async def look_from(web: WebProcess) -> None:
        async def look() -> None:
            looks.append(web.web_id)

        monkeypatch.setattr(web, "_every", one_round)
        await web._alone(ALERTS, LOOK_SECONDS, look)

    await look_from(first)
    lease = keys.single_loop_lease(ALERTS)
    left_ms = await client.pttl(lease) - int(LOOK_SECONDS * 1_000)
    await client.pexpire(lease, max(1, left_ms))
    await look_from(second)
    await look_from(first)
    assert looks == [first.web_id] * 2
    for web in (first, second):
        await web._client.aclose()
