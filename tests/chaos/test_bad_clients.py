"""Clients that harm: one that never reads, one that floods. The web process and the others' talks stay well."""

import asyncio
import json
import socket
import time
from collections.abc import Callable

import psutil
import pytest
from websockets.exceptions import ConnectionClosed

from tests.chaos.conversation import ANSWER, ask_again, script_answers, spoken
from tests.chaos.raw_socket import open_socket
from tests.house import API_KEY, House
from tests.journeys.client import connect

MIB = 1024 * 1024
GROWTH_LIMIT_MIB = 8
TALKERS = 3
DEAF_SOCKETS = 4
ECHO_BYTES = 100_000
TOO_FAST = 4429
LIMIT_SECONDS = 20.0


def deaf_socket(port: int) -> socket.socket:
    """A websocket by hand with the smallest receive buffer, so that what is not read stays at the server."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    client.settimeout(LIMIT_SECONDS)
    client.connect(("127.0.0.1", port))
    lines = [
        "GET /v1/realtime?model=nova HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        f"Authorization: Bearer {API_KEY}",
    ]
    client.sendall("\r\n".join([*lines, "", ""]).encode())
    assert client.recv(12) == b"HTTP/1.1 101"
    return client


def masked_text(text: str) -> bytes:
    """A text frame masked with zeros: what a client must do, at no cost."""
    body = text.encode()
    return b"\x81\xff" + len(body).to_bytes(8, "big") + bytes(4) + body


def send_until_cut(port: int) -> float:
    """Each update is echoed with 100 kB; returns after how many seconds the server gave this client up."""
    update = {"type": "session.update", "session": {"type": "realtime", "instructions": "x" * ECHO_BYTES}}
    frame, started_at = masked_text(json.dumps(update)), time.monotonic()
    with deaf_socket(port) as client:
        while time.monotonic() - started_at < LIMIT_SECONDS:
            try:
                client.sendall(frame)
            except (ConnectionError, TimeoutError):
                return time.monotonic() - started_at
    return float("inf")


async def test_clients_that_never_read_are_cut_and_cost_little_while_others_talk(house: House) -> None:
    script_answers(house)
    web = psutil.Process(house.webs[0].pid)
    async with connect(house) as first, connect(house) as second, connect(house) as third:
        talkers = (first, second, third)
        await asyncio.gather(*(ask_again(talker) for talker in talkers))
        before_bytes = web.memory_info().rss
        deaf = asyncio.gather(*(asyncio.to_thread(send_until_cut, house.ports[0]) for _ in range(DEAF_SOCKETS)))
        answers = await asyncio.gather(*(ask_again(talker) for talker in talkers))
        cut_after_seconds = await deaf
        growth_bytes = web.memory_info().rss - before_bytes
    assert max(cut_after_seconds) < LIMIT_SECONDS
    assert [spoken(answer.event) for answer in answers] == [ANSWER] * TALKERS
    assert growth_bytes / MIB <= GROWTH_LIMIT_MIB


def cheap_message(_: int) -> str:
    return '{"type":"output_audio_buffer.clear"}'


def second_of_silence(_: int) -> str:
    return json.dumps({"type": "input_audio_buffer.append", "audio": "A" * 64_000})


@pytest.mark.parametrize("make_message", [cheap_message, second_of_silence])
async def test_an_inbound_flood_is_closed_with_4429(house: House, make_message: Callable[[int], str]) -> None:
    async with open_socket(house) as client:

        async def flood() -> None:
            while True:
                await client.send(make_message(0))
                await asyncio.sleep(0)  # a send that need not wait would never let this client read its close frame

        async def read() -> None:
            async for _ in client:
                pass

        async with asyncio.timeout(LIMIT_SECONDS):
            await asyncio.gather(flood(), read(), return_exceptions=True)
            await client.wait_closed()
    assert client.close_code == TOO_FAST


async def test_a_flood_leaves_other_talks_alone(house: House) -> None:
    script_answers(house)
    async with connect(house) as talker, open_socket(house) as client:

        async def flood() -> None:
            while True:
                await client.send(cheap_message(0))
                await asyncio.sleep(0)

        flooding = asyncio.create_task(flood())
        answered = await ask_again(talker)
        with pytest.raises(ConnectionClosed):
            await flooding
    assert spoken(answered.event) == ANSWER
