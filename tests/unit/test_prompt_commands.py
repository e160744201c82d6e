"""Commands that leave in the call itself, against a real Redis, in the clear and through TLS."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
import trustme

from sessions.live import work_desk
from sessions.live.work_desk import CeleryWorkDesk
from tests.unit.transcribe_on_emulator import eventually
from workers.errors import NovaError
from workers.language_model.contract import ModelOptions
from workers.streams import keys
from workers.streams.codec import from_json
from workers.streams.messages import Address, ReplyRequest, TranscriptEntry
from workers.streams.prompt_commands import PromptCommands

KEY = "letters"
PUSH = ("RPUSH", KEY, b"a")
REPLY = "resp_1.0"
REQUEST = ReplyRequest(Address("sess_1", 1, REPLY, "turn_1", keys.output_stream("web")), "", (), ModelOptions("model"))
WORDS = TranscriptEntry("item_1", "confirmed", "How far is the moon?")


@pytest.fixture
def client(redis_url: str) -> Iterator["redis.Redis"]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


@asynccontextmanager
async def ready(url: str, max_connections: int = 2) -> AsyncIterator[PromptCommands]:
    prompt = PromptCommands(url, max_connections)
    await prompt.make_ready()
    try:
        yield prompt
    finally:
        await prompt.close()


async def test_commands_leave_before_the_call_returns(redis_url: str, client: "redis.Redis") -> None:
    async with ready(redis_url) as prompt:
        sent = prompt.send([PUSH, PUSH])
        assert client.blpop([KEY], timeout=5) == (KEY.encode(), b"a")  # no other task of this event loop has run
        assert sent is not None
        await prompt.confirm(sent, 2)


async def test_without_a_connection_it_declines(redis_url: str, client: "redis.Redis") -> None:
    assert PromptCommands(redis_url, 2).send([PUSH]) is None
    assert client.exists(KEY) == 0


async def test_no_more_connections_are_opened_than_allowed(redis_url: str, client: "redis.Redis") -> None:
    async with ready(redis_url, max_connections=1) as prompt:
        sent = prompt.send([PUSH])
        await prompt.make_ready()
        assert prompt.send([PUSH]) is None
        assert sent is not None
        await prompt.confirm(sent, 1)
        assert prompt.send([PUSH]) is not None
    assert client.llen(KEY) == 2


async def test_a_connection_that_redis_has_closed_is_noticed(redis_url: str, client: "redis.Redis") -> None:
    async with ready(redis_url) as prompt:
        client.client_kill_filter(_type="normal", skipme=True)
        await asyncio.to_thread(client.ping)  # the event loop has looked at its sockets
        assert prompt.send([PUSH]) is None
        await prompt.make_ready()
        sent = prompt.send([PUSH])
        assert sent is not None
        await prompt.confirm(sent, 1)


async def test_after_a_refused_command_the_connection_is_not_used_again(redis_url: str, client: "redis.Redis") -> None:
    client.set(KEY, "no list")
    async with ready(redis_url) as prompt:
        sent = prompt.send([PUSH, ("PING",)])
        assert sent is not None
        with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
            await prompt.confirm(sent, 2)
        assert prompt.send([("PING",)]) is None


async def test_a_redis_that_does_not_answer_is_not_awaited_for_long(redis_url: str, client: "redis.Redis") -> None:
    async with ready(redis_url) as prompt:
        client.client_pause(700, all=True)
        sent = prompt.send([PUSH])
        assert sent is not None
        with pytest.raises(redis.TimeoutError):
            await prompt.confirm(sent, 1)
        assert prompt.send([PUSH]) is None


async def test_through_tls_they_leave_in_the_same_way(redis_url: str, client: "redis.Redis", tmp_path: Path) -> None:
    async with _tls_before(redis_url, tmp_path) as tls_url, ready(tls_url) as prompt:
        sent = prompt.send([PUSH])
        assert sent is not None
        await prompt.confirm(sent, 1)
    assert client.llen(KEY) == 1


@asynccontextmanager
async def _tls_before(redis_url: str, folder: Path) -> AsyncIterator[str]:
    """A TLS door before the test's Redis, which is in the clear."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    address = urlsplit(redis_url)

    async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection(address.hostname, address.port)
        await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer))

    server = await asyncio.start_server(join, "127.0.0.1", 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={folder / 'ca.pem'}"


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.close()


# --- the work desk that uses them -------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def no_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks are not what is looked at here."""
    monkeypatch.setattr(work_desk, "_publish", lambda task, arguments: None)


def newest_connection(client: "redis.Redis") -> int:
    return max(int(connection["id"]) for connection in client.client_list())


@asynccontextmanager
async def desk_at(redis_url: str, client: "redis.Redis") -> AsyncIterator[CeleryWorkDesk]:
    """It has prepared a reply, so a connection is ready."""
    desk = CeleryWorkDesk(redis_url, "web")
    before = newest_connection(client)
    desk.prepare_reply(REPLY)
    await eventually(lambda: newest_connection(client) > before)
    yield desk
    await desk.close()


def no_failure(error: NovaError) -> None:
    raise AssertionError(error)


def handed_over(client: "redis.Redis") -> ReplyRequest:
    taken: Any = client.blpop([keys.reply_request(REPLY)], timeout=5)
    assert taken is not None
    return from_json(ReplyRequest, taken[1])


async def test_a_prepared_reply_is_handed_its_request_and_words(redis_url: str, client: "redis.Redis") -> None:
    async with desk_at(redis_url, client) as desk:
        desk.request_reply(REQUEST, WORDS, no_failure, is_prepared=True)
        assert handed_over(client) == REQUEST
        assert client.xlen(keys.TRANSCRIPTS_STREAM) == 1


async def test_a_request_whose_connection_is_lost_goes_once_more(redis_url: str, client: "redis.Redis") -> None:
    async with desk_at(redis_url, client) as desk:
        client.client_kill_filter(_type="normal", skipme=True)
        desk.request_reply(REQUEST, WORDS, no_failure, is_prepared=True)
    assert handed_over(client) == REQUEST


async def test_a_request_that_cannot_be_handed_over_fails_within_its_limit(
    redis_url: str, client: "redis.Redis"
) -> None:
    failures: list[str] = []
    async with desk_at(redis_url, client) as desk:
        client.client_pause(3_500, all=True)
        desk.request_reply(REQUEST, WORDS, lambda error: failures.append(error.code), is_prepared=True)
        await eventually(lambda: bool(failures))
    assert failures == ["streams_unavailable"]
