"""Amazon Transcribe streaming: opens streams with fresh credentials over the transport the settings name."""

import asyncio
from typing import Final

from botocore.credentials import ReadOnlyCredentials

from sessions.settings import WebSettings
from sessions.speech_to_text.audio_clock import AudioClock
from sessions.speech_to_text.aws_credentials import AwsCredentials
from sessions.speech_to_text.aws_transcribe_stream import AwsTranscribeStream
from sessions.speech_to_text.contract import ListeningOptions
from sessions.speech_to_text.transcribe_events import STALE_CREDENTIALS
from sessions.speech_to_text.transcribe_link import TranscribeLink, TranscribeTransport
from sessions.speech_to_text.transcribe_websocket import WebsocketTransport
from workers.errors import ConfigurationError, ProviderRefusedError, ProviderTimeoutError

OPEN_LIMIT_SECONDS: Final = 5.0
LOWEST_RATE_HZ: Final = 8_000
HIGHEST_RATE_HZ: Final = 48_000


class AwsTranscribe:
    """One object a web process; streams share its trust and its credentials chain, nothing else."""

    def __init__(self, settings: WebSettings) -> None:
        self._credentials = AwsCredentials()
        try:
            self._transport = _transport(settings)
        except OSError as error:
            raise ConfigurationError(f"AWS_CA_BUNDLE cannot be read: {error}") from error

    async def prepare(self) -> None:
        await self._credentials.fresh()

    async def open(self, options: ListeningOptions) -> AwsTranscribeStream:
        if not LOWEST_RATE_HZ <= options.sample_rate_hz <= HIGHEST_RATE_HZ:
            raise ProviderRefusedError(f"Transcribe hears 8000 to 48000 Hz, not {options.sample_rate_hz}")
        clock = AudioClock(options.sample_rate_hz)
        try:
            async with asyncio.timeout(OPEN_LIMIT_SECONDS):
                link = await self._open_link(options, clock)
        except TimeoutError:
            raise ProviderTimeoutError("Transcribe did not open a stream in time") from None
        return AwsTranscribeStream(link, clock, options.sample_rate_hz)

    async def close(self) -> None:
        await self._transport.close()

    async def _open_link(self, options: ListeningOptions, clock: AudioClock) -> TranscribeLink:
        """Credentials that were refused are read once more, in case new ones have taken their place."""
        credentials = await self._credentials.fresh()
        try:
            return await self._transport.open(options, credentials, clock)
        except ProviderRefusedError as error:
            if error.code != STALE_CREDENTIALS:
                raise
            renewed = await self._renewed(credentials)
            if renewed is None:
                raise
        return await self._transport.open(options, renewed, clock)

    async def _renewed(self, refused: ReadOnlyCredentials) -> ReadOnlyCredentials | None:
        self._credentials.forget()
        renewed = await self._credentials.fresh()
        return renewed if renewed != refused else None


def _transport(settings: WebSettings) -> TranscribeTransport:
    if settings.transcribe_transport == "websocket":
        return WebsocketTransport(settings.aws)
    # awscrt is a large native library that the websocket has no need of.
    from sessions.speech_to_text.transcribe_http2 import Http2Transport  # noqa: PLC0415

    return Http2Transport(settings.aws)
