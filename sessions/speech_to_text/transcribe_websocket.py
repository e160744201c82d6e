"""Transcribe over its websocket: a presigned address, event-stream messages both ways."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import botocore.eventstream
import websockets.exceptions
from botocore.credentials import ReadOnlyCredentials
from websockets.asyncio.client import ClientConnection, connect

from sessions.speech_to_text.audio_clock import AudioClock
from sessions.speech_to_text.contract import ListeningOptions, Transcript
from sessions.speech_to_text.presigned_url import presigned_url, tls_context, websocket_endpoint
from sessions.speech_to_text.transcribe_events import audio_event, transcribe_error, transcripts_of
from workers.errors import ProviderError, ProviderTimeoutError, ProviderUnavailableError
from workers.settings import AwsSettings

SEND_LIMIT_SECONDS = 5.0
CLOSE_LIMIT_SECONDS = 0.5
MAX_MESSAGE_BYTES = 1024 * 1024
MAX_QUEUED_MESSAGES = 64

# The library writes each request line at DEBUG, and ours carries a signature and may carry a session token.
_silent_log = logging.getLogger(__name__ + ".wire")
_silent_log.setLevel(logging.WARNING)


class WebsocketTransport:
    def __init__(self, settings: AwsSettings) -> None:
        self._region = settings.region
        self._endpoint = websocket_endpoint(settings.region, settings.transcribe_endpoint_url)
        self._tls = None if self._endpoint.startswith("http:") else tls_context(settings.ca_bundle_path)

    async def open(
        self, options: ListeningOptions, credentials: ReadOnlyCredentials, clock: AudioClock
    ) -> "WebsocketLink":
        url = presigned_url(self._endpoint, self._region, credentials, options)
        try:
            connection = await connect(
                url,
                ssl=self._tls,
                logger=_silent_log,
                compression=None,
                open_timeout=None,
                ping_interval=None,
                close_timeout=CLOSE_LIMIT_SECONDS,
                max_size=MAX_MESSAGE_BYTES,
                max_queue=MAX_QUEUED_MESSAGES,
            )
        except websockets.exceptions.InvalidStatus as error:
            raise _refusal(error) from None
        except (OSError, EOFError, websockets.exceptions.WebSocketException) as error:
            raise ProviderUnavailableError(f"Transcribe cannot be reached: {type(error).__name__}") from None
        return WebsocketLink(connection, clock)

    async def close(self) -> None:
        return


class WebsocketLink:
    def __init__(self, connection: ClientConnection, clock: AudioClock) -> None:
        self._connection = connection
        self._clock = clock

    async def send(self, pcm: bytes) -> None:
        try:
            async with asyncio.timeout(SEND_LIMIT_SECONDS):
                await self._connection.send(audio_event(pcm))
        except TimeoutError:
            raise ProviderTimeoutError("Transcribe takes no more audio") from None
        except websockets.exceptions.ConnectionClosed:
            raise ProviderUnavailableError("Transcribe closed the stream") from None

    async def transcripts(self) -> AsyncIterator[Transcript]:
        buffer: Any = botocore.eventstream.EventStreamBuffer()
        try:
            async for data in self._connection:
                if isinstance(data, str):
                    continue
                buffer.add_data(data)
                for message in buffer:
                    for transcript in transcripts_of(message.headers, message.payload, self._clock):
                        yield transcript
        except botocore.eventstream.ParserError:
            raise ProviderUnavailableError("Transcribe sent a frame that cannot be read") from None
        except websockets.exceptions.ConnectionClosed:
            raise ProviderUnavailableError("the connection to Transcribe broke") from None

    async def close(self) -> None:
        await self._connection.close()


def _refusal(error: websockets.exceptions.InvalidStatus) -> ProviderError:
    """A handshake is refused as any call of the API: code in a header, text in a JSON body."""
    response = error.response
    code = response.headers.get("x-amzn-ErrorType", "").split(":")[0] or f"HTTP {response.status_code}"
    try:
        body = json.loads(response.body or b"{}")
        message = str(body.get("Message") or body.get("message") or "")
    except (ValueError, AttributeError):
        message = ""
    return transcribe_error(code, message, response.status_code)
