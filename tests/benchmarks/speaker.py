"""A cheap talking client: nova.binary, messages made beforehand, the time of every event that matters."""

import asyncio
import json
import math
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import httpx
import numpy as np
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as connect_websocket
from websockets.exceptions import ConnectionClosed

from tests.house import API_KEY, House

RATE_HZ = 16_000
HEADERS = {"Authorization": f"Bearer {API_KEY}"}
_UPDATE = {
    "type": "session.update",
    "session": {"type": "realtime", "audio": {"input": {"format": {"type": "audio/pcm", "rate": RATE_HZ}}}},
}


def now_ms() -> float:
    """The machine's monotonic clock, which the emulator's journal uses too."""
    return time.monotonic() * 1_000


def append_message(pcm: bytes) -> bytes:
    header = b'{"type":"input_audio_buffer.append"}'
    return len(header).to_bytes(2, "big") + header + pcm


def voiced(duration_ms: int) -> bytes:
    """A vowel: harmonics of 140 Hz that tremble a little, as a voice does and a machine does not."""
    times = np.arange(RATE_HZ * duration_ms // 1_000) / RATE_HZ
    trembling = 1 + 0.4 * np.sin(2 * math.pi * 9 * times)
    sound = sum(np.sin(2 * math.pi * 140 * n * times) / n for n in range(1, 16))
    loudest = float(np.max(np.abs(sound * trembling)))
    return bytes((sound * trembling / loudest * 16_000).astype("<i2").tobytes())


@dataclass(slots=True)
class Microphone:
    """Messages of `chunk_ms`; the voice is spoken once when asked for, silence otherwise."""

    chunk_ms: int
    voice: list[bytes]
    silence: bytes

    @classmethod
    def of(cls, chunk_ms: int, voice_ms: int) -> "Microphone":
        size = RATE_HZ * chunk_ms // 1_000 * 2
        sound = voiced(voice_ms)
        pieces = [append_message(sound[at : at + size]) for at in range(0, len(sound), size)]
        return cls(chunk_ms, pieces, append_message(bytes(size)))


@dataclass(slots=True)
class Reply:
    """Times in milliseconds; `words` is what the user was understood to say before it."""

    reply_id: str
    words: str
    first_audio_ms: float = 0.0
    last_audio_ms: float = 0.0
    audio_bytes: int = 0
    flushed_ms: float = 0.0
    status: str = ""
    is_done: asyncio.Event = field(default_factory=asyncio.Event)
    has_sound: asyncio.Event = field(default_factory=asyncio.Event)


class Speaker:
    """One session. `run` reads, `listen_to` sends; both are tasks of `open_speaker`."""

    def __init__(self, socket: ClientConnection, microphone: Microphone) -> None:
        self._socket = socket
        self._microphone = microphone
        self._to_say: list[bytes] = []
        self._words = ""
        self._has_begun = asyncio.Event()
        self.voice_began_ms = 0.0
        self.speech_started_ms = 0.0
        self.faults: list[str] = []
        self.replies: dict[str, Reply] = {}
        self.last: Reply | None = None

    def speak(self) -> None:
        """The voice begins with the next chunk."""
        self._has_begun.clear()
        self._to_say = list(self._microphone.voice)

    async def next_reply(self) -> Reply:
        """The reply that begins next; wait for it right after `speak`."""
        await self._has_begun.wait()
        assert self.last is not None
        return self.last

    async def ask(self, text: str) -> Reply:
        """A typed question; the reply as it begins."""
        self._has_begun.clear()
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
        await self._socket.send(json.dumps({"type": "conversation.item.create", "item": item}))
        await self._socket.send('{"type":"response.create"}')
        return await self.next_reply()

    async def send(self, message: bytes) -> None:
        """A binary message of the subprotocol nova.binary."""
        await self._socket.send(message)

    async def cancel(self) -> float:
        sent_ms = now_ms()
        await self._socket.send('{"type":"response.cancel"}')
        return sent_ms

    async def send_sound(self) -> None:
        """The chunk that leaves at time t was heard by the microphone from t - chunk_ms on."""
        step = self._microphone.chunk_ms / 1_000
        due = time.monotonic()
        while True:
            message = self._microphone.silence
            if self._to_say:
                if len(self._to_say) == len(self._microphone.voice):
                    self.voice_began_ms = due * 1_000 - self._microphone.chunk_ms
                message = self._to_say.pop(0)
            await self._socket.send(message)
            due += step
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def read(self) -> None:
        with suppress(ConnectionClosed):
            async for message in self._socket:
                at_ms = now_ms()
                if isinstance(message, bytes):
                    self._sounded(message, at_ms)
                else:
                    self._told(json.loads(message), at_ms)

    def _sounded(self, message: bytes, at_ms: float) -> None:
        length = int.from_bytes(message[:2], "big")
        reply = self.replies[json.loads(message[2 : 2 + length])["response_id"]]
        reply.first_audio_ms = reply.first_audio_ms or at_ms
        reply.last_audio_ms = at_ms
        reply.audio_bytes += len(message) - length - 2
        reply.has_sound.set()

    def _told(self, event: dict[str, object], at_ms: float) -> None:
        match event["type"]:
            case "conversation.item.input_audio_transcription.completed":
                self._words = str(event["transcript"])
            case "input_audio_buffer.speech_started":
                self.speech_started_ms = at_ms
            case "response.created":
                self._begun(_object(event["response"]))
            case "nova.flush":
                if self.last is not None:
                    self.last.flushed_ms = at_ms
            case "response.done":
                self._ended(_object(event["response"]))
            case "error":
                self.faults.append(str(_object(event["error"]).get("code")))

    def _begun(self, response: dict[str, object]) -> None:
        reply = Reply(str(response["id"]), self._words)
        self.replies[reply.reply_id] = self.last = reply
        self._has_begun.set()

    def _ended(self, response: dict[str, object]) -> None:
        reply = self.replies[str(response["id"])]
        reply.status = str(response["status"])
        reply.is_done.set()


def _object(value: object) -> dict[str, object]:
    assert isinstance(value, dict)
    return value


async def _channel(house: House, properties: dict[str, object]) -> str:
    """A started channel of our own key, with overrides of its graph."""
    name = f"bench-{uuid.uuid4().hex}"
    body = {"channel_name": name, "graph_name": "voice", "properties": {"llm": {"greeting": ""}, **properties}}
    async with httpx.AsyncClient() as http:
        answer = await http.post(f"{house.url}/v1/api/start", json={**body, "timeout": -1}, headers=HEADERS, timeout=30)
    answer.raise_for_status()
    return name


@asynccontextmanager
async def open_speaker(
    house: House, microphone: Microphone, properties: dict[str, object] | None = None
) -> AsyncIterator[Speaker]:
    channel = await _channel(house, properties or {})
    url = f"{house.ws_url}?channel_name={channel}"
    options = {"additional_headers": HEADERS, "compression": None, "max_size": None}
    async with connect_websocket(url, subprotocols=["nova.binary"], **options) as socket:  # type: ignore[arg-type, list-item]
        speaker = Speaker(socket, microphone)
        await socket.send(json.dumps(_UPDATE))
        tasks = [asyncio.create_task(speaker.read()), asyncio.create_task(speaker.send_sound())]
        try:
            yield speaker
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
