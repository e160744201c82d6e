"""A web process is told to stop while its clients talk."""

import asyncio
from collections.abc import Iterator

import pytest
from websockets.asyncio.client import ClientConnection

from tests.chaos.raw_socket import open_socket
from tests.house import House, Process

SERVER_RESTARTS = 1012
CLOSE_SECONDS = 5.0
SOCKETS = 3


@pytest.fixture
def stopping_web(house: House) -> Iterator[Process]:
    """The house's web process, started again after the test."""
    web = house.webs[0]
    yield web
    if not web.is_running():
        web.start()
        web.wait_for_url(f"{house.url}/readyz")


async def _read_to_its_end(client: ClientConnection) -> None:
    async for _ in client:
        pass


async def test_a_stopped_web_process_closes_every_socket_with_1012_and_ends_its_loops(
    house: House, stopping_web: Process
) -> None:
    async with open_socket(house) as first, open_socket(house) as second, open_socket(house) as third:
        clients = (first, second, third)
        for client in clients:
            await client.recv()
        stopping = asyncio.create_task(asyncio.to_thread(stopping_web.stop))
        async with asyncio.timeout(CLOSE_SECONDS):
            await asyncio.gather(*(_read_to_its_end(client) for client in clients), return_exceptions=True)
            await asyncio.gather(*(client.wait_closed() for client in clients))
        await stopping
    assert [client.close_code for client in clients] == [SERVER_RESTARTS] * SOCKETS
    assert "web_process_stopped" in stopping_web.log()
