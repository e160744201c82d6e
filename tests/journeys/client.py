"""A talking client for journeys: the official openai package on our socket, with a microphone made of samples."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection

from tests.house import API_KEY, House

CHUNK_MS = 100


@dataclass(slots=True)
class Heard:
    """One server event and when it came, in seconds of the machine's monotonic clock."""

    at: float
    event: Any

    @property
    def type(self) -> str:
        return str(self.event.type)


@dataclass
class Client:
    """Collects every event; `wait_for` looks at what has come and waits for what has not."""

    connection: AsyncRealtimeConnection
    rate_hz: int = 24_000
    events: list[Heard] = field(default_factory=list)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def read(self) -> None:
        async for event in self.connection:
            async with self._news:
                self.events.append(Heard(time.monotonic(), event))
                self._news.notify_all()

    async def wait_for(
        self,
        type_name: str,
        *,
        after: int = 0,
        seconds: float = 20.0,
        where: Callable[[Any], bool] = lambda _: True,
    ) -> Heard:
        """The first event of the type at or after position `after` for which `where` holds."""

        def find() -> Heard | None:
            return next((h for h in self.events[after:] if h.type == type_name and where(h.event)), None)

        async with self._news:
            async with asyncio.timeout(seconds):
                await self._news.wait_for(lambda: find() is not None)
        found = find()
        assert found is not None
        return found

    def of(self, type_name: str, after: int = 0) -> list[Heard]:
        return [heard for heard in self.events[after:] if heard.type == type_name]

    def audio(self, after: int = 0) -> bytes:
        """All speech that has come, decoded."""
        return b"".join(base64.b64decode(heard.event.delta) for heard in self.of("response.output_audio.delta", after))

    async def append(self, pcm: bytes) -> None:
        await self.connection.input_audio_buffer.append(audio=base64.b64encode(pcm).decode())

    async def speak(self, pcm: bytes, *, silence_ms: int = 1_500) -> None:
        """At the pace of a microphone: chunks of 100 ms, silence afterwards."""
        size = self.rate_hz * CHUNK_MS // 1_000 * 2
        sound = pcm + bytes(size * (silence_ms // CHUNK_MS))
        for start in range(0, len(sound), size):
            await self.append(sound[start : start + size])
            await asyncio.sleep(CHUNK_MS / 1_000)

    async def type_text(self, text: str) -> None:
        content: Any = [{"type": "input_text", "text": text}]
        await self.connection.conversation.item.create(item={"type": "message", "role": "user", "content": content})
        await self.connection.response.create()


@asynccontextmanager
async def connect(house: House, *, rate_hz: int = 24_000, key: str = API_KEY, web: int = 0) -> AsyncIterator[Client]:
    """A connected client; its microphone runs at `rate_hz`, which the session has been told."""
    base = house.urls[web] + "/v1"
    openai_client = AsyncOpenAI(api_key=key, base_url=base, websocket_base_url=base.replace("http", "ws", 1))
    async with openai_client.realtime.connect(model="nova") as connection:
        client = Client(connection, rate_hz)
        reader = asyncio.create_task(client.read())
        await client.wait_for("session.created")
        if rate_hz != 24_000:
            audio: Any = {"input": {"format": {"type": "audio/pcm", "rate": rate_hz}}}
            before = len(client.events)
            await connection.session.update(session={"type": "realtime", "audio": audio})
            await client.wait_for("session.updated", after=before)
        try:
            yield client
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
    await openai_client.close()
