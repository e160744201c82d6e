"""Amazon Transcribe streaming: opens streams with fresh credentials over the transport the settings name."""

import asyncio
from typing import Final

from botocore.credentials import ReadOnlyCredentials

from sessions.settings import WebSettings
from sessions.speech_to_text.audio_clock import AudioClock
from sessions.speech_to_text.aws_credentials import AwsCredentials
from sessions.speech_to_text.aws_transcribe_stream import AwsTranscribeStream
from sessions.speech_to_text.contract import ListeningOptions, StreamLife
from sessions.speech_to_text.stream_admission import StreamAdmission, StreamLease, StreamQuota
from sessions.speech_to_text.transcribe_events import STALE_CREDENTIALS
from sessions.speech_to_text.transcribe_link import TranscribeLink, TranscribeTransport
from sessions.speech_to_text.transcribe_websocket import WebsocketTransport
from workers.errors import (
    ConfigurationError,
    ProviderError,
    ProviderRefusedError,
    ProviderThrottledError,
    ProviderTimeoutError,
    ProviderUnavailableError,
)

OPEN_LIMIT_SECONDS: Final = 5.0
LOWEST_RATE_HZ: Final = 8_000
HIGHEST_RATE_HZ: Final = 48_000
LATEST_SECONDS: Final = 4 * 3_600 - 120.0
"""The service ends a stream after four hours, in the middle of a word."""


class AwsTranscribe:
    """One object a web process; streams share its trust and its credentials chain, nothing else."""

    def __init__(self, settings: WebSettings) -> None:
        self._credentials = AwsCredentials()
        try:
            self._transport = _transport(settings)
        except OSError as error:
            raise ConfigurationError(f"AWS_CA_BUNDLE cannot be read: {error}") from error

        quota = StreamQuota(
            settings.transcribe_scope, settings.transcribe_streams_quota, settings.transcribe_starts_per_second
        )
        self._admission = StreamAdmission(settings.redis_url, quota)
        self._rotate_after_seconds = settings.transcribe_rotate_seconds

    @property
    def stream_life(self) -> StreamLife:
        return StreamLife(self._rotate_after_seconds, LATEST_SECONDS)

    async def prepare(self) -> None:
        await self._credentials.fresh()

    async def open(self, options: ListeningOptions) -> AwsTranscribeStream:
        if not LOWEST_RATE_HZ <= options.sample_rate_hz <= HIGHEST_RATE_HZ:
            raise ProviderRefusedError(f"Transcribe hears 8000 to 48000 Hz, not {options.sample_rate_hz}")
        lease = await self._admission.take()
        is_open = False
        try:
            stream = await self._open_stream(options, lease)
            is_open = True
        except ProviderThrottledError:
            lease.refused()
            raise
        finally:
            if not is_open:
                lease.release()
        return stream

    async def close(self) -> None:
        await self._transport.close()
        await self._admission.close()

    async def _open_stream(self, options: ListeningOptions, lease: StreamLease) -> AwsTranscribeStream:
        clock = AudioClock(options.sample_rate_hz)
        try:
            async with asyncio.timeout(OPEN_LIMIT_SECONDS):
                credentials = await self._credentials.fresh()
                link, credentials = await self._open_link(options, clock, credentials)
        except TimeoutError:
            raise ProviderTimeoutError("Transcribe did not open a stream in time") from None

        async def explain(error: ProviderError) -> ProviderError:
            return await self._explain(error, credentials)

        return AwsTranscribeStream(link, clock, options.sample_rate_hz, lease, explain)

    async def _open_link(
        self, options: ListeningOptions, clock: AudioClock, credentials: ReadOnlyCredentials
    ) -> tuple[TranscribeLink, ReadOnlyCredentials]:
        """Credentials that were refused are read once more, in case new ones have taken their place."""
        try:
            return await self._transport.open(options, credentials, clock), credentials
        except ProviderRefusedError as error:
            if error.code != STALE_CREDENTIALS:
                raise
            renewed = await self._renewed(credentials)
            if renewed is None:
                raise
        return await self._transport.open(options, renewed, clock), renewed

    async def _explain(self, error: ProviderError, used: ReadOnlyCredentials) -> ProviderError:
        """Refused credentials in the middle of a stream are worth another one when there are newer ones."""
        if error.code != STALE_CREDENTIALS or error.retriable or await self._renewed(used) is None:
            return error
        return ProviderUnavailableError("Transcribe: the credentials have been renewed", code=STALE_CREDENTIALS)

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
