"""Several web processes behind one port: `WEB_PROCESSES` starts them, and the kernel spreads the sockets."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_socket

from sessions.management.redis_server import free_port
from tests.house import API_KEY, ROOT, House, Process

SOCKETS = 20


@pytest.fixture
def pair(house: House, tmp_path: Path) -> Iterator[tuple[Process, int]]:
    """`serve` with two processes beside the shared house's own, and its port."""
    port = free_port()
    environment = {**house.environment, "WEB_PROCESSES": "2"}
    serve = Process(
        "pair", [sys.executable, str(ROOT / "manage.py"), "serve", "--port", str(port)], environment, tmp_path
    )
    serve.start()
    try:
        serve.wait_for_log("web_process_started", times=2)
        yield serve, port
    finally:
        serve.stop()


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[ClientConnection]:
    headers = {"Authorization": f"Bearer {API_KEY}"}
    async with open_socket(f"ws://127.0.0.1:{port}/v1/realtime", additional_headers=headers) as socket:
        yield socket


async def answer_of(socket: ClientConnection) -> str:
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]}
    await socket.send(json.dumps({"type": "conversation.item.create", "item": item}))
    await socket.send(json.dumps({"type": "response.create", "response": {"output_modalities": ["text"]}}))
    async for message in socket:
        event: dict[str, Any] = json.loads(message)
        if event["type"] == "response.done":
            return str(event["response"]["status"])
    return "closed"


def sockets_by_process(serve: Process, port: int) -> list[int]:
    """How many clients each child holds."""
    children = psutil.Process(serve.pid).children()
    return [
        sum(
            link.status == psutil.CONN_ESTABLISHED and link.laddr.port == port
            for link in child.net_connections(kind="tcp")
        )
        for child in children
    ]


async def test_twenty_sockets_spread_over_two_processes_and_all_are_answered(pair: tuple[Process, int]) -> None:
    serve, port = pair
    async with AsyncExitStack() as stack, asyncio.timeout(30):
        sockets = [await stack.enter_async_context(connected(port)) for _ in range(SOCKETS)]
        held = sockets_by_process(serve, port)
        answers = await asyncio.gather(*(answer_of(socket) for socket in sockets))
    assert answers == ["completed"] * SOCKETS
    assert (len(held), sum(held)) == (2, SOCKETS)
    assert min(held) > 0


def test_one_sigterm_ends_all_of_them_and_a_killed_one_comes_back(pair: tuple[Process, int]) -> None:
    serve, _ = pair
    children = psutil.Process(serve.pid).children()
    children[0].send_signal(signal.SIGKILL)
    serve.wait_for_log("web_process_started", times=3)
    children = psutil.Process(serve.pid).children()
    serve.stop()
    assert len(children) == 2
    assert psutil.wait_procs(children, timeout=5)[1] == []
