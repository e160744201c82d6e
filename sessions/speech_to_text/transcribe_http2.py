"""Transcribe over HTTP/2 with amazon-transcribe: its protocol and models, its transport mended."""

import asyncio
import copy
from collections.abc import AsyncIterator
from typing import Any

from amazon_transcribe.auth import StaticCredentialResolver
from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.deserialize import TranscribeStreamingEventParser, TranscribeStreamingResponseParser
from amazon_transcribe.endpoints import StaticEndpointResolver
from amazon_transcribe.eventstream import ParserError
from amazon_transcribe.exceptions import SDKError, ServiceException, UnknownServiceException
from amazon_transcribe.model import TranscriptResultStream
from amazon_transcribe.serialize import TranscribeStreamingSerializer
from awscrt.exceptions import AwsCrtError
from botocore.credentials import ReadOnlyCredentials

from sessions.speech_to_text.audio_clock import AudioClock
from sessions.speech_to_text.contract import ListeningOptions, Transcript
from sessions.speech_to_text.crt_connection import BodyPacer, CrtConnection, CrtConnector, PacedBody
from sessions.speech_to_text.transcribe_events import transcribe_error, transcripts_of
from workers.errors import ProviderError, ProviderUnavailableError
from workers.settings import AwsSettings


def http2_endpoint(region: str, endpoint_url: str | None) -> str:
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return (endpoint_url or f"https://transcribestreaming.{region}.{suffix}").rstrip("/")


class Http2Transport:
    """One client for the process; each stream has a connection of its own: closing it disturbs no other."""

    def __init__(self, settings: AwsSettings) -> None:
        self._connector = CrtConnector(settings.ca_bundle_path)
        # Loosely typed: the SDK's types are partial, and parts of it are replaced here and in `open`.
        resolver: Any = StaticEndpointResolver
        self._client: Any = TranscribeStreamingClient(
            region=settings.region,
            endpoint_resolver=resolver(http2_endpoint(settings.region, settings.transcribe_endpoint_url)),
            # Each stream's copy of the client gets its own; without one the SDK starts a chain of its own.
            credential_resolver=StaticCredentialResolver("", ""),
        )
        self._client._serializer = _PacedSerializer(self._connector.pacer)

    async def open(self, options: ListeningOptions, credentials: ReadOnlyCredentials, clock: AudioClock) -> "Http2Link":
        connection = CrtConnection(self._connector)
        client: Any = copy.copy(self._client)
        client._session_manager = connection
        client._credential_resolver = _resolver(credentials)
        client._response_parser = _ResponseParser(clock)
        try:
            stream = await client.start_stream_transcription(
                language_code=options.language,
                media_sample_rate_hz=options.sample_rate_hz,
                media_encoding="pcm",
                enable_partial_results_stabilization=True,
                partial_results_stability="high",
            )
        except (SDKError, AwsCrtError, OSError, RuntimeError) as error:
            connection.close()
            raise _as_provider_error(error) from error
        except asyncio.CancelledError:
            connection.close()
            raise
        return Http2Link(stream, connection)

    async def close(self) -> None:
        return


def _resolver(credentials: Any) -> StaticCredentialResolver:
    return StaticCredentialResolver(credentials.access_key, credentials.secret_key, credentials.token)


class Http2Link:
    def __init__(self, stream: Any, connection: CrtConnection) -> None:
        self._stream = stream
        self._connection = connection

    async def send(self, pcm: bytes) -> None:
        if self._connection.is_over:
            raise ProviderUnavailableError("Transcribe closed the stream")
        try:
            if pcm:
                await self._stream.input_stream.send_audio_event(audio_chunk=pcm)
            else:
                await self._stream.input_stream.end_stream()
        except OSError:
            raise ProviderUnavailableError("Transcribe closed the stream") from None

    async def transcripts(self) -> AsyncIterator[Transcript]:
        try:
            async for transcripts in self._stream.output_stream:
                for transcript in transcripts:
                    yield transcript
        except ParserError:
            raise ProviderUnavailableError("Transcribe sent a frame that cannot be read") from None
        if self._connection.failure is not None:
            raise ProviderUnavailableError("the connection to Transcribe broke")

    async def close(self) -> None:
        self._connection.close()


class _PacedSerializer(TranscribeStreamingSerializer):
    """The SDK's own, with a body that does not spin while there is nothing to send."""

    def __init__(self, pacer: BodyPacer) -> None:
        self._pacer = pacer

    def serialize_start_stream_transcription_request(self, endpoint: str, request_shape: Any) -> Any:
        request = super().serialize_start_stream_transcription_request(endpoint, request_shape)
        request.body = PacedBody(self._pacer)
        return request


class _ResponseParser(TranscribeStreamingResponseParser):
    """The SDK's own, with results read by the same function as the websocket's."""

    def __init__(self, clock: AudioClock) -> None:
        self._clock = clock

    def parse_start_stream_transcription_response(self, http_response: Any, body_stream: Any) -> Any:
        response = super().parse_start_stream_transcription_response(http_response, body_stream)
        stream: Any = TranscriptResultStream
        response.transcript_result_stream = stream(body_stream, _EventParser(self._clock))
        return response


class _EventParser(TranscribeStreamingEventParser):
    def __init__(self, clock: AudioClock) -> None:
        self._clock = clock

    def parse(self, raw_event: Any) -> Any:
        return transcripts_of(raw_event.headers, raw_event.payload, self._clock)


def _as_provider_error(error: Any) -> ProviderError:
    if isinstance(error, UnknownServiceException):
        return transcribe_error(str(error.error_code), error.message, error.status_code)
    if isinstance(error, ServiceException):
        return transcribe_error(type(error).__name__, str(error))
    return ProviderUnavailableError(f"Transcribe cannot be reached: {type(error).__name__}")
