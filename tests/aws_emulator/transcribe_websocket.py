"""Owns Transcribe's websocket on a TLS connection: the upgrade by presigned URL and its binary frames."""

import asyncio
import json
from urllib.parse import parse_qsl, urlsplit

from websockets.datastructures import Headers
from websockets.frames import OP_BINARY, OP_CLOSE, OP_CONT, Frame
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from tests.aws_emulator import connections
from tests.aws_emulator.event_stream import encode_exception
from tests.aws_emulator.journal import Call
from tests.aws_emulator.signature import SignatureError, SignedRequest
from tests.aws_emulator.transcribe import Admission, TranscribeService, TranscribeStream
from tests.aws_emulator.transcribe_checks import StreamRefusedError

PATH = "/stream-transcription-websocket"
_NORMAL_CLOSURE, _GOING_AWAY, _INTERNAL_ERROR = 1000, 1001, 1011


class WebsocketProtocol(asyncio.Protocol):
    """One connection, which is one stream."""

    def __init__(self, service: TranscribeService) -> None:
        self._service = service
        self._websocket = ServerProtocol(max_size=2**20)
        self._transport: asyncio.Transport | None = None
        self._call: Call | None = None
        self._stream: TranscribeStream | None = None
        self._fragments = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._websocket.receive_data(data)
        for event in self._websocket.events_received():
            if isinstance(event, Request):
                self._on_request(event)
            elif isinstance(event, Frame):
                self._on_frame(event)
        self._flush()

    def eof_received(self) -> None:
        self._websocket.receive_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._stream is not None:
            self._stream.client_gone()
        elif self._call is not None:
            self._call.close("client_closed")

    # What the stream asks of its carrier.

    def send_frame(self, frame: bytes) -> None:
        if self._transport is not None and self._websocket.state.name == "OPEN":
            self._websocket.send_binary(frame)
            self._flush()

    def finish(self) -> None:
        self._close(_NORMAL_CLOSURE)

    def go_away(self) -> None:
        self._close(_GOING_AWAY)

    def reset_stream(self) -> None:
        self._close(_INTERNAL_ERROR)

    def reset(self) -> None:
        connections.reset(self._transport)

    def cut(self) -> None:
        connections.cut(self._transport)

    def _on_request(self, request: Request) -> None:
        url = urlsplit(request.path)
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        if url.path != PATH:
            self._refuse_upgrade(request, 404, "UnknownOperationException", "")
            return
        self._call = self._service.begin("websocket", connections.client_port(self._transport))
        signed = SignedRequest("GET", request.path, tuple(request.headers.raw_items()))
        raw = {name: value for name, value in query.items() if not name.startswith("X-Amz-")}
        try:
            admission = self._service.admit(self._call, signed, raw)
        except SignatureError as error:
            self._call.access_key_id = error.access_key_id
            self._call.refused(403, error.error_type, error.message)
            self._refuse_signature(request, error)
        except StreamRefusedError as refusal:
            self._call.refused(refusal.status, refusal.exception_type, refusal.message)
            self._refuse_by_frame(request, refusal.exception_type, refusal.message)
        else:
            delay_seconds = admission.plan.handshake_ms / 1000
            if delay_seconds:
                loop = asyncio.get_running_loop()
                loop.call_later(delay_seconds, self._accept, request, self._call, admission)
            else:
                self._accept(request, self._call, admission)

    def _accept(self, request: Request, call: Call, admission: Admission) -> None:
        if self._transport is None:
            return
        response = self._websocket.accept(request)
        response.headers["x-amzn-RequestId"] = call.facts["request_id"]
        response.headers["x-amzn-transcribe-session-id"] = admission.parameters.session_id
        self._websocket.send_response(response)
        self._flush()
        self._stream = TranscribeStream(self._service, call, admission, self)
        self._stream.start()

    def _refuse_signature(self, request: Request, error: SignatureError) -> None:
        """A wrong key is told in a frame; a request without a proper signature is no upgrade at all."""
        wrong_key = error.error_type in ("UnrecognizedClientException", "InvalidSignatureException")
        if wrong_key and error.access_key_id:
            self._refuse_by_frame(request, "UnrecognizedClientException", error.message)
        else:
            self._refuse_upgrade(request, 403, error.error_type, error.message)

    def _refuse_by_frame(self, request: Request, exception_type: str, message: str) -> None:
        self._websocket.send_response(self._websocket.accept(request))
        self.send_frame(encode_exception(exception_type, json.dumps({"Message": message}).encode()))
        self._close(_NORMAL_CLOSURE)

    def _refuse_upgrade(self, request: Request, status: int, error_type: str, message: str) -> None:
        body = json.dumps({"Message": message}).encode()
        headers = Headers(
            {
                "x-amzn-ErrorType": error_type,
                "Content-Type": "application/json",
                "Content-Length": str(len(body)),
                "Connection": "close",
            }
        )
        self._websocket.send_response(Response(status, error_type, headers, body))
        self._flush()

    def _on_frame(self, frame: Frame) -> None:
        if frame.opcode is OP_CLOSE:
            if self._call is not None:
                self._call.facts["close_code"] = self._websocket.close_code
            return
        if frame.opcode not in (OP_BINARY, OP_CONT) or self._stream is None:
            return
        self._fragments += frame.data
        if frame.fin:
            message = bytes(self._fragments)
            self._fragments.clear()
            self._stream.receive(message)

    def _close(self, code: int) -> None:
        if self._transport is not None and self._websocket.state.name == "OPEN":
            self._websocket.send_close(code)
            self._flush()

    def _flush(self) -> None:
        if self._transport is None:
            return
        for data in self._websocket.data_to_send():
            if data:
                self._transport.write(data)
            else:
                self._transport.close()
                return
