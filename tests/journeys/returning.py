"""A client that loses its connection and comes back by (epoch, seq), over any web process; checks the order of its events."""

import asyncio
import base64
import json
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from sessions.realtime.position import SOUND_EVENT, Position
from tests.house import House
from tests.journeys.client import Client, Heard, generate_ticket, start_channel, wait_until
from workers.streams import keys

TRY_LATER = 1013


@dataclass
class _AllSockets:
    """The wire of `Client`: whichever socket is open."""

    socket: ClientConnection | None = None

    async def send(self, event: Any) -> None:
        assert self.socket is not None
        await self.socket.send(json.dumps(event))


@dataclass
class Returning:
    """`client` holds the events of all sockets in the order they came. Drop with `lose`, come back with `resume`."""

    house: House
    secret: str
    web: int = 0
    client: Client = field(default_factory=lambda: Client(_AllSockets()))
    position: Position = field(default_factory=Position)
    closes: list[int] = field(default_factory=list)
    sequences: list[tuple[str, int]] = field(default_factory=list)
    session_id: str = ""
    _reader: "asyncio.Task[None] | None" = None

    # --- the connection ---------------------------------------------------------------------------------------------

    async def open(self, query: dict[str, Any] | None = None) -> None:
        url = self.house.urls[self.web].replace("http", "ws", 1) + "/v1/realtime?" + urlencode(query or {})
        headers = {"Authorization": f"Bearer {self.secret}"}
        names = [Subprotocol("nova.json")]
        socket = await connect(url, additional_headers=headers, subprotocols=names, max_size=None)
        self._wire.socket = socket
        self.client.close_code = None
        self._reader = asyncio.create_task(self._read(socket))

    async def lose(self) -> None:
        """The connection breaks without a word, as when the network goes."""
        socket = self._socket
        socket.transport.abort()
        if self._reader is not None:
            await self._reader

    async def leave(self) -> None:
        await self._socket.close()
        if self._reader is not None:
            await self._reader

    async def resume(self, web: int | None = None, **changes: Any) -> Heard:
        """Returns nova.resumed."""
        self.web = self.web if web is None else web
        before = self.client.now
        self._wire.socket = None
        await self.open({**self.wish(), **changes})
        return await self.client.wait_for("nova.resumed", after=before)

    async def wait_lost(self) -> None:
        """Until the server's end of the line has gone."""
        await self.client.wait_closed()

    async def resume_surely(self, web: int) -> Heard:
        """A server that is too busy for a moment says so with 1013, and is asked again."""
        while True:
            try:
                return await self.resume(web)
            except AssertionError:
                if self.client.close_code != TRY_LATER:
                    raise
                await asyncio.sleep(0.5)

    async def ask_surely(self, text: str) -> None:
        """Until it is answered, over as many sockets as it takes, each at the other web process. What is not known to
        have arrived is said again, as our page does."""
        after, item_id = self.client.now, f"item_{uuid.uuid4().hex[:20]}"
        await self._say(item_id, text)
        while not self.client.of("response.done", after):
            try:
                await self.client.wait_for("response.done", after=after)
            except AssertionError:
                if self.client.close_code is None:
                    raise
                await self.resume_surely(1 - self.web)
                if all(heard.event.item.id != item_id for heard in self.client.of("conversation.item.added", after)):
                    await self._say(item_id, text)

    async def _say(self, item_id: str, text: str) -> None:
        content = [{"type": "input_text", "text": text}]
        item = {"id": item_id, "type": "message", "role": "user", "content": content}
        with suppress(ConnectionClosed):
            await self.client.send("conversation.item.create", item=item)
            await self.client.send("response.create")

    def wish(self) -> dict[str, Any]:
        return dict(self.position.query())

    async def wait_written(self) -> None:
        """Until what this client was told, sound aside, could be taken up by another web process."""
        store = self.house.redis()

        async def is_written() -> bool:
            seq: Any = await asyncio.to_thread(store.hget, keys.talk(self.session_id)[0], "seq")
            return seq is not None and int(seq) >= self.position.told_seq

        await wait_until(is_written, "the talk on the shelf")

    @property
    def _wire(self) -> _AllSockets:
        wire = self.client.connection
        assert isinstance(wire, _AllSockets)
        return wire

    @property
    def _socket(self) -> ClientConnection:
        assert self._wire.socket is not None
        return self._wire.socket

    async def _read(self, socket: ClientConnection) -> None:
        news = self.client._news
        try:
            async for message in socket:
                if socket is not self._wire.socket:
                    continue
                self._note(json.loads(message))
                event = json.loads(message, object_hook=lambda fields: SimpleNamespace(**fields))
                async with news:
                    self.client.events.append(Heard(time.monotonic(), event))
                    news.notify_all()
        except ConnectionClosed:
            pass
        async with news:
            self.closes.append(int(socket.close_code or 1006))
            if socket is self._wire.socket:
                self.client.close_code = self.closes[-1]
            news.notify_all()

    def _note(self, event: dict[str, Any]) -> None:
        pcm = base64.b64decode(event["delta"]) if event["type"] == SOUND_EVENT else b""
        if event["event_id"] == "evt_refused_1":
            return
        self.position.note(event, pcm)
        self.sequences.append((self.position.epoch, self.position.seq))
        if event["type"] == "nova.session":
            self.session_id = event["session_id"]

    # --- what is promised -------------------------------------------------------------------------------------------

    def gaps(self) -> list[tuple[tuple[str, int], tuple[str, int]]]:
        """V1: neighbours that do not follow one another; a new epoch begins at 1."""
        pairs = zip(self.sequences, self.sequences[1:], strict=False)
        return [
            (before, after)
            for before, after in pairs
            if after != (before[0], before[1] + 1) and not (after[0] != before[0] and after[1] == 1)
        ]

    def replies(self) -> dict[str, list[str]]:
        """Every response that began, and how it ended: V3 wants one end each."""
        ends: dict[str, list[str]] = {heard.event.response.id: [] for heard in self.client.of("response.created")}
        for heard in self.client.of("response.done"):
            ends.setdefault(heard.event.response.id, []).append(heard.event.response.status)
        return ends

    def sound_of(self, item_id: str) -> bytes:
        sounds = [heard.event for heard in self.client.of(SOUND_EVENT) if heard.event.item_id == item_id]
        return b"".join(base64.b64decode(event.delta) for event in sounds)


async def return_to(house: House, *, key: str, web: int = 0, **wishes: Any) -> Returning:
    """A started channel with its socket open."""
    channel_name, secret = await generate_ticket(house, key=key)
    session_id = await start_channel(house, channel_name, key=key, web=web, **wishes)
    returning = Returning(house, secret, web, session_id=session_id)
    await returning.open()
    await returning.client.wait_for("session.created")
    return returning
