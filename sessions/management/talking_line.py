"""The socket of `manage.py talk` that comes back: when it breaks, the next one goes on where it stopped."""

import asyncio
import base64
import contextlib
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.typing import Subprotocol

from sessions.management.talking_notes import OUTPUT_RATE_HZ, Event, Say
from sessions.realtime.binary import unpack
from sessions.realtime.position import SOUND_EVENT, Position
from workers.errors import NovaError

SUBPROTOCOL = Subprotocol("nova.binary")
OPEN_SECONDS = 10.0
MAX_MESSAGE_BYTES = 4_194_304
FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 5.0
TRIES = 10
BROKEN = 1006
COMES_BACK_AFTER = frozenset({BROKEN, 1001, 1011, 1012, 1013, 4408})


class CannotConnectError(NovaError):
    code = "cannot_connect"


class RefusedError(NovaError):
    code = "refused"


class TalkingLine:
    """`receive` until it raises; while the line is broken, `send` drops what it is given, as a microphone's sound is."""

    def __init__(self, url: str, secret: str | None, say: Say) -> None:
        self._url = url
        self._secret = secret
        self._say = say
        self._position = Position(OUTPUT_RATE_HZ)
        self._channel_name = ""
        self._socket: ClientConnection | None = None

    async def open(self) -> None:
        """Raises CannotConnectError or RefusedError."""
        try:
            self._socket = await self._connect(self._url)
        except InvalidStatus as error:
            raise RefusedError(
                f"{self._url} refused with HTTP {error.response.status_code}; give an API key with --key"
            ) from error
        except (OSError, TimeoutError, InvalidURI, InvalidHandshake) as error:
            text = f"cannot connect to {self._url} ({error}); is the server running (make run)?"
            raise CannotConnectError(text) from error

    async def close(self) -> None:
        if self._socket is not None:
            await self._socket.close()

    async def send(self, message: str | bytes) -> None:
        with contextlib.suppress(ConnectionClosed):
            if self._socket is not None:
                await self._socket.send(message)

    async def receive(self) -> tuple[Event, bytes]:
        """The next event and its sound. Raises CannotConnectError or RefusedError when the line is gone for good."""
        while self._socket is not None:
            try:
                event, pcm = _read(await self._socket.recv())
            except ConnectionClosed as closed:
                await self._come_back(closed)
                continue
            self._note(event, pcm)
            return event, pcm
        raise CannotConnectError("the connection was never opened")

    def _note(self, event: Event, pcm: bytes) -> None:
        self._position.note(event, pcm)
        if event.get("type") == "nova.session":
            self._channel_name = event["channel_name"]

    async def _come_back(self, closed: ConnectionClosed) -> None:
        code = closed.rcvd.code if closed.rcvd is not None else BROKEN
        if code not in COMES_BACK_AFTER or not self._position.epoch:
            raise _closed(closed) from closed
        self._say(f"          line   the connection was lost ({code}); coming back ...")
        address = f"{self._url}{'&' if '?' in self._url else '?'}{urlencode(self._wish())}"
        for attempt in range(TRIES):
            pause_seconds = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**attempt)
            await asyncio.sleep(pause_seconds * random.uniform(0.5, 1.0))
            with contextlib.suppress(OSError, TimeoutError, InvalidHandshake):
                self._socket = await self._connect(address)
                return
        raise _closed(closed) from closed

    def _wish(self) -> dict[str, str]:
        return {"channel_name": self._channel_name, **self._position.query()}

    async def _connect(self, url: str) -> ClientConnection:
        headers = {"Authorization": f"Bearer {self._secret}"} if self._secret else {}
        return await connect(
            url,
            additional_headers=headers,
            subprotocols=[SUBPROTOCOL],
            compression=None,
            open_timeout=OPEN_SECONDS,
            max_size=MAX_MESSAGE_BYTES,
        )


@asynccontextmanager
async def open_line(url: str, secret: str | None, say: Say) -> AsyncIterator[TalkingLine]:
    line = TalkingLine(url, secret, say)
    await line.open()
    try:
        yield line
    finally:
        await line.close()


def _read(message: str | bytes) -> tuple[Event, bytes]:
    event: Event
    event, payload = unpack(message) if isinstance(message, bytes) else (json.loads(message), b"")
    sound: Any = event.get("delta")
    if event.get("type") == SOUND_EVENT and sound is not None:
        payload = base64.b64decode(sound)
    return event, payload


def _closed(error: ConnectionClosed) -> NovaError:
    if error.rcvd is None:
        return CannotConnectError("the connection was lost")
    return RefusedError(
        f"the server closed the socket with {error.rcvd.code}: {error.rcvd.reason or 'no reason given'}"
    )
