"""Talking clients for journeys: the official openai package, or a bare socket, with a microphone made of samples."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Protocol

import httpx
from openai import AsyncOpenAI
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_socket
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.house import API_KEY, House

CHUNK_MS = 100
WAIT_SECONDS = 30.0
Json = dict[str, Any]


class Wire(Protocol):
    """What carries events to the server."""

    async def send(self, event: Any) -> None: ...


class TwoWayWire(Wire, Protocol):
    """And back: the official package's connection, or ours."""

    def __aiter__(self) -> AsyncIterator[Any]: ...


class Socket:
    """Events as they are, unknown ones too; anything can be sent."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def send(self, event: Json) -> None:
        await self._connection.send(json.dumps(event))

    async def send_text(self, text: str) -> None:
        await self._connection.send(text)

    async def send_bytes(self, data: bytes) -> None:
        await self._connection.send(data)

    async def __aiter__(self) -> AsyncIterator[Any]:
        while True:
            yield json.loads(await self._connection.recv(), object_hook=lambda fields: SimpleNamespace(**fields))


@dataclass(slots=True)
class Heard:
    """One server event and when it came, in seconds of the machine's monotonic clock."""

    at: float
    event: Any

    @property
    def type(self) -> str:
        return str(self.event.type)

    @property
    def at_ms(self) -> float:
        """On the clock of the emulator's journal."""
        return self.at * 1_000


@dataclass
class Client:
    """Collects every event; `wait_for` looks at what has come and waits for what has not."""

    connection: Wire
    rate_hz: int = 24_000
    events: list[Heard] = field(default_factory=list)
    close_code: int | None = None
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def now(self) -> int:
        """The position of the next event, for `after`."""
        return len(self.events)

    async def read(self, connection: TwoWayWire) -> None:
        try:
            async for event in connection:
                async with self._news:
                    self.events.append(Heard(time.monotonic(), event))
                    self._news.notify_all()
        except ConnectionClosed as closed:
            async with self._news:
                self.close_code = closed.rcvd.code if closed.rcvd is not None else 1006
                self._news.notify_all()

    async def wait_for(
        self,
        type_name: str,
        *,
        after: int = 0,
        seconds: float = WAIT_SECONDS,
        where: Callable[[Any], bool] = lambda _: True,
    ) -> Heard:
        """The first event of the type at or after position `after` for which `where` holds."""

        def find() -> Heard | None:
            return next((h for h in self.events[after:] if h.type == type_name and where(h.event)), None)

        await self._wait_until(lambda: find() is not None or self.close_code is not None, type_name, after, seconds)
        found = find()
        assert found is not None, f"closed with {self.close_code} before {type_name}; {self._seen(after)}"
        return found

    async def wait_closed(self, seconds: float = WAIT_SECONDS) -> int:
        await self._wait_until(lambda: self.close_code is not None, "the close", 0, seconds)
        assert self.close_code is not None
        return self.close_code

    async def wait_heard_ms(self, played_ms: float, after: int = 0) -> None:
        """Until that much speech has come."""
        needed_bytes = played_ms / 1_000 * self.rate_hz * 2
        await self._wait_until(
            lambda: len(self.audio(after)) >= needed_bytes, f"{played_ms:.0f} ms of speech", after, WAIT_SECONDS
        )

    async def _wait_until(self, is_true: Callable[[], bool], what: str, after: int, seconds: float) -> None:
        try:
            async with self._news, asyncio.timeout(seconds):
                await self._news.wait_for(is_true)
        except TimeoutError:
            raise AssertionError(f"waited {seconds:.0f} s for {what}; {self._seen(after)}") from None

    def _seen(self, after: int) -> str:
        faults = [heard.event.error for heard in self.of("error", after)]
        return f"saw {[heard.type for heard in self.events[after:]]} with faults {faults}"

    def of(self, type_name: str, after: int = 0) -> list[Heard]:
        return [heard for heard in self.events[after:] if heard.type == type_name]

    def audio(self, after: int = 0) -> bytes:
        """All speech that has come, decoded."""
        return b"".join(base64.b64decode(heard.event.delta) for heard in self.of("response.output_audio.delta", after))

    def captions(self, after: int = 0) -> list[str]:
        """What the user has said, turn by turn."""
        completed = self.of("conversation.item.input_audio_transcription.completed", after)
        return [str(heard.event.transcript) for heard in completed]

    def said(self, after: int = 0) -> list[str]:
        """What the agent has said, reply by reply."""
        return [str(heard.event.transcript) for heard in self.of("response.output_audio_transcript.done", after)]

    def fault_codes(self, after: int = 0) -> list[str]:
        return [str(heard.event.error.code) for heard in self.of("error", after)]

    async def send(self, type_name: str, **fields: Any) -> None:
        await self.connection.send({"type": type_name, **fields})

    async def update(self, **session: Any) -> None:
        """A session.update that has taken effect."""
        before = self.now
        await self.send("session.update", session={"type": "realtime", **session})
        await self.wait_for("session.updated", after=before)

    async def append(self, pcm: bytes) -> None:
        await self.send("input_audio_buffer.append", audio=base64.b64encode(pcm).decode())

    async def speak(self, pcm: bytes, *, silence_ms: int = 1_500) -> None:
        """At the pace of a microphone: chunks of 100 ms, silence afterwards."""
        size = self.rate_hz * CHUNK_MS // 1_000 * 2
        sound = pcm + bytes(size * (silence_ms // CHUNK_MS))
        started_at = time.monotonic()
        for number, start in enumerate(range(0, len(sound), size)):
            await self.append(sound[start : start + size])
            await asyncio.sleep(max(0.0, started_at + (number + 1) * CHUNK_MS / 1_000 - time.monotonic()))

    async def show(self, image: bytes, source: str = "camera", **fields: Any) -> None:
        image_base64 = base64.b64encode(image).decode()
        await self.send("input_video_buffer.append", image=image_base64, source=source, **fields)

    async def add_text(self, text: str) -> None:
        content: Any = [{"type": "input_text", "text": text}]
        await self.send("conversation.item.create", item={"type": "message", "role": "user", "content": content})

    async def type_text(self, text: str) -> None:
        await self.add_text(text)
        await self.send("response.create")

    async def ask(self, text: str) -> Any:
        """A whole typed turn; the response as it ended."""
        before = self.now
        await self.type_text(text)
        return (await self.wait_for("response.done", after=before)).event.response


@asynccontextmanager
async def connect(house: House, *, rate_hz: int = 24_000, key: str = API_KEY, web: int = 0) -> AsyncIterator[Client]:
    """A connected client of the official package; its microphone runs at `rate_hz`, which the session has been told."""
    base = house.urls[web] + "/v1"
    openai_client = AsyncOpenAI(api_key=key, base_url=base, websocket_base_url=base.replace("http", "ws", 1))
    async with openai_client.realtime.connect(model="nova") as connection, _reading(connection, rate_hz) as client:
        yield client
    await openai_client.close()


@asynccontextmanager
async def connect_socket(
    house: House,
    *,
    key: str = API_KEY,
    web: int = 0,
    rate_hz: int = 24_000,
    subprotocol: str = "nova.json",
    query: str = "",
) -> AsyncIterator[Client]:
    """A bare socket: `nova.json` sees what the standard does not show, `realtime` the standard alone."""
    url = house.urls[web].replace("http", "ws", 1) + "/v1/realtime?model=nova" + query
    headers = {"Authorization": f"Bearer {key}"}
    names = [Subprotocol(subprotocol)]
    async with (
        open_socket(url, additional_headers=headers, subprotocols=names, max_size=None) as connection,
        _reading(Socket(connection), rate_hz) as client,
    ):
        yield client


@asynccontextmanager
async def _reading(connection: TwoWayWire, rate_hz: int) -> AsyncIterator[Client]:
    client = Client(connection, rate_hz)
    reader = asyncio.create_task(client.read(connection))
    try:
        await client.wait_for("session.created")
        if rate_hz != 24_000:
            await client.update(audio={"input": {"format": {"type": "audio/pcm", "rate": rate_hz}}})
        yield client
    finally:
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)


async def call_api(house: House, name: str, body: Json, *, key: str, web: int = 0) -> tuple[int, Json]:
    """Status and envelope of one call of the HTTP API."""
    async with httpx.AsyncClient(timeout=WAIT_SECONDS) as http:
        url, headers = f"{house.urls[web]}/v1/api/{name}", {"Authorization": f"Bearer {key}"}
        answer = await (
            http.get(url, headers=headers) if name == "list" else http.post(url, json=body, headers=headers)
        )
    envelope: Json = answer.json()
    return answer.status_code, envelope


async def generate_ticket(house: House, *, key: str, channel_name: str | None = None) -> tuple[str, str]:
    """A channel and the client secret that opens its socket."""
    body = {} if channel_name is None else {"channel_name": channel_name}
    status, envelope = await call_api(house, "generate", body, key=key)
    assert status == 200, envelope
    return str(envelope["data"]["channel_name"]), str(envelope["data"]["realtime"]["client_secret"])


async def start_channel(house: House, channel_name: str, *, key: str, web: int = 0, **wishes: Any) -> str:
    """The session's id."""
    body = {"channel_name": channel_name, "graph_name": "voice", **wishes}
    status, envelope = await call_api(house, "start", body, key=key, web=web)
    assert status == 200, envelope
    return str(envelope["data"]["session_id"])


async def wait_until(is_true: Callable[[], Awaitable[bool]], what: str, seconds: float = WAIT_SECONDS) -> None:
    """Asks again and again; for states that nobody announces."""
    deadline = time.monotonic() + seconds
    while not await is_true():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        await asyncio.sleep(0.02)


async def open_services(house: House) -> set[str]:
    """The services with a call that is not over."""
    return {str(call["service"]) for call in await asyncio.to_thread(house.aws.journal, open=True)}


async def tell_script(house: House, **update: Any) -> None:
    await asyncio.to_thread(house.aws.script, **update)


async def see_calls(house: House, service: str, count: int = 1, *, ended: bool = False, **wanted: Any) -> list[Json]:
    """The service's calls in full, once there are `count` of them; `ended`: only those that are over count."""
    if ended:
        wanted["open"] = False
    return await asyncio.to_thread(house.aws.wait_for_calls, count, WAIT_SECONDS, full=True, service=service, **wanted)
