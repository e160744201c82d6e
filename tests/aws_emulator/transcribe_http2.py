"""Owns Transcribe's HTTP/2 on a TLS connection: many streams, flow control, signed event frames."""

import asyncio
import json
from functools import partial

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions

from tests.aws_emulator import connections
from tests.aws_emulator.journal import Call
from tests.aws_emulator.signature import SignatureError, SignedRequest
from tests.aws_emulator.transcribe import Admission, TranscribeService, TranscribeStream
from tests.aws_emulator.transcribe_checks import StreamRefusedError

PATH = "/stream-transcription"
_PREFIX = "x-amzn-transcribe-"
_CONNECTION_WINDOW_BYTES = 1 << 20
_MAX_STREAMS = 1_000
_EVENT_STREAM = "application/vnd.amazon.eventstream"

Headers = list[tuple[str, str]]


class Http2Protocol(asyncio.Protocol):
    """One connection with any number of streams."""

    def __init__(self, service: TranscribeService) -> None:
        self.service = service
        config = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        self.http2 = h2.connection.H2Connection(config)
        self.transport: asyncio.Transport | None = None
        self._streams: dict[int, _Carrier] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.http2.local_settings.max_concurrent_streams = _MAX_STREAMS
        self.http2.initiate_connection()
        self.http2.increment_flow_control_window(_CONNECTION_WINDOW_BYTES)
        self.flush()

    def data_received(self, data: bytes) -> None:
        try:
            events = self.http2.receive_data(data)
        except h2.exceptions.ProtocolError:
            self.flush()
            connections.cut(self.transport)
            return
        for event in events:
            self._on_event(event)
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        for carrier in list(self._streams.values()):
            carrier.client_gone()
        self._streams.clear()

    def flush(self) -> None:
        data = self.http2.data_to_send()
        if data and self.transport is not None:
            self.transport.write(data)

    def forget(self, stream_id: int) -> None:
        self._streams.pop(stream_id, None)

    def _on_event(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RequestReceived):
            carrier = _Carrier(self, int(event.stream_id or 0))
            self._streams[carrier.stream_id] = carrier
            carrier.request([(str(name), str(value)) for name, value in event.headers or ()])
        elif isinstance(event, h2.events.DataReceived):
            stream_id = int(event.stream_id or 0)
            self.http2.acknowledge_received_data(int(event.flow_controlled_length or 0), stream_id)
            if (reader := self._streams.get(stream_id)) is not None:
                reader.receive(bytes(event.data or b""))
        elif isinstance(event, h2.events.StreamEnded):
            if (ended := self._streams.get(int(event.stream_id or 0))) is not None:
                ended.end_of_input()
        elif isinstance(event, h2.events.StreamReset):
            if (gone := self._streams.pop(int(event.stream_id or 0), None)) is not None:
                gone.client_gone()
        elif isinstance(event, h2.events.WindowUpdated):
            for waiting in list(self._streams.values()):
                waiting.write_pending()


class _Carrier:
    """One HTTP/2 stream that carries one Transcribe stream."""

    def __init__(self, connection: Http2Protocol, stream_id: int) -> None:
        self.stream_id = stream_id
        self._connection = connection
        self._call: Call | None = None
        self._stream: TranscribeStream | None = None
        self._pending = bytearray()
        self._is_last = False
        self._is_closed = False

    def request(self, headers: Headers) -> None:
        fields = dict(headers)
        if fields.get(":method") != "POST" or fields.get(":path") != PATH:
            self._refuse(404, "UnknownOperationException", "")
            return
        port = connections.client_port(self._connection.transport)
        self._call = call = self._connection.service.begin("http2", port)
        try:
            admission = self._connection.service.admit(call, _signed_request(headers), _parameters(fields))
        except SignatureError as error:
            call.access_key_id = error.access_key_id
            call.refused(403, error.error_type, error.message)
            self._refuse(403, error.error_type, error.message)
        except StreamRefusedError as refusal:
            call.refused(refusal.status, refusal.exception_type, refusal.message)
            self._refuse(refusal.status, refusal.exception_type, refusal.message)
        else:
            self._open_later(call, admission, fields)

    def receive(self, data: bytes) -> None:
        if self._stream is not None:
            self._stream.receive(data)

    def end_of_input(self) -> None:
        if self._stream is not None:
            self._stream.end_of_input()

    def client_gone(self) -> None:
        self._is_closed = True
        if self._stream is not None:
            self._stream.client_gone()
        elif self._call is not None:
            self._call.close("client_closed")

    def write_pending(self) -> None:
        """As much as the client's windows allow; the rest waits for WINDOW_UPDATE."""
        http2 = self._connection.http2
        try:
            while self._pending and not self._is_closed:
                room = min(http2.local_flow_control_window(self.stream_id), http2.max_outbound_frame_size)
                if room <= 0:
                    break
                part = bytes(self._pending[:room])
                del self._pending[:room]
                http2.send_data(self.stream_id, part)
            if self._is_last and not self._pending and not self._is_closed:
                self._is_closed = True
                http2.end_stream(self.stream_id)
        except h2.exceptions.ProtocolError:
            self._is_closed = True
        self._connection.flush()
        if self._is_closed:
            self._connection.forget(self.stream_id)

    # What the stream asks of its carrier.

    def send_frame(self, frame: bytes) -> None:
        self._pending += frame
        self.write_pending()

    def finish(self) -> None:
        self._is_last = True
        self.write_pending()

    def reset(self) -> None:
        connections.reset(self._connection.transport)

    def cut(self) -> None:
        connections.cut(self._connection.transport)

    def go_away(self) -> None:
        self._connection.http2.close_connection()
        self._connection.flush()
        connections.cut(self._connection.transport)

    def reset_stream(self) -> None:
        self._is_closed = True
        try:
            self._connection.http2.reset_stream(self.stream_id, h2.errors.ErrorCodes.INTERNAL_ERROR)
        except h2.exceptions.ProtocolError:
            return
        finally:
            self._connection.flush()
            self._connection.forget(self.stream_id)

    def _open_later(self, call: Call, admission: Admission, fields: dict[str, str]) -> None:
        open_it = partial(self._open, call, admission, fields)
        delay_seconds = admission.plan.handshake_ms / 1000
        if delay_seconds:
            asyncio.get_running_loop().call_later(delay_seconds, open_it)
        else:
            open_it()

    def _open(self, call: Call, admission: Admission, fields: dict[str, str]) -> None:
        if self._is_closed:
            return
        echoed = {name: value for name, value in fields.items() if name.startswith(_PREFIX)}
        echoed[f"{_PREFIX}session-id"] = admission.parameters.session_id
        headers = [
            (":status", "200"),
            ("content-type", _EVENT_STREAM),
            ("x-amzn-request-id", call.facts["request_id"]),
            *echoed.items(),
        ]
        self._connection.http2.send_headers(self.stream_id, headers)
        self._connection.flush()
        self._stream = TranscribeStream(self._connection.service, call, admission, self)
        self._stream.start()

    def _refuse(self, status: int, error_type: str, message: str) -> None:
        headers = [
            (":status", str(status)),
            ("content-type", "application/x-amz-json-1.1"),
            ("x-amzn-errortype", error_type),
        ]
        self._connection.http2.send_headers(self.stream_id, headers)
        self._pending += json.dumps({"Message": message}).encode()
        self.finish()


def _signed_request(headers: Headers) -> SignedRequest:
    """HTTP/2 carries the signed host as :authority."""
    fields = dict(headers)
    plain = [(name, value) for name, value in headers if not name.startswith(":")]
    if "host" not in fields:
        plain.append(("host", fields.get(":authority", "")))
    return SignedRequest(fields[":method"], fields[":path"], tuple(plain))


def _parameters(fields: dict[str, str]) -> dict[str, str]:
    return {name.removeprefix(_PREFIX): value for name, value in fields.items() if name.startswith(_PREFIX)}
