"""Owns the emulator's two ports and what listens on them; the services decide all that is said there."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from weakref import WeakSet

import trustme
from aiohttp import web

from tests.aws_emulator.bedrock import BedrockService
from tests.aws_emulator.bedrock_checks import MAX_PAYLOAD_BYTES
from tests.aws_emulator.control import Control
from tests.aws_emulator.journal import Journal, Json
from tests.aws_emulator.polly import PollyService
from tests.aws_emulator.script import DEFAULT_AMPLITUDE, BedrockPlan, Script, ScriptUpdate
from tests.aws_emulator.signature import Keyring
from tests.aws_emulator.speech_signal import speech_bytes
from tests.aws_emulator.transcribe import TranscribeService
from tests.aws_emulator.transcribe_http2 import Http2Protocol
from tests.aws_emulator.transcribe_websocket import WebsocketProtocol

HOST = "127.0.0.1"
REGION = "us-east-1"
ACCESS_KEY_ID = "EMULATOR-KEY-1"
SECRET_ACCESS_KEY = "emulator-secret-of-key-1"
OTHER_ACCESS_KEY_ID = "EMULATOR-KEY-2"
OTHER_SECRET_ACCESS_KEY = "emulator-secret-of-key-2"


@dataclass(frozen=True)
class Addresses:
    http: str
    transcribe_https: str
    transcribe_wss: str
    ca: str

    def as_json(self) -> dict[str, str]:
        return {
            "http": self.http,
            "transcribe_https": self.transcribe_https,
            "transcribe_wss": self.transcribe_wss,
            "ws": self.transcribe_wss,
            "ca": self.ca,
        }

    def env(self) -> dict[str, str]:
        """What a process needs to talk to the emulator instead of AWS."""
        return {
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": self.http,
            "AWS_ENDPOINT_URL_POLLY": self.http,
            "AWS_ENDPOINT_URL_TRANSCRIBE_STREAMING": self.transcribe_https,
            "AWS_CA_BUNDLE": self.ca,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }


class AwsEmulator:
    """All services in the running event loop; `start` before use, `stop` once."""

    def __init__(self, http_port: int = 0, tls_port: int = 0) -> None:
        self.journal = Journal()
        self._script = Script()
        keys = {ACCESS_KEY_ID: SECRET_ACCESS_KEY, OTHER_ACCESS_KEY_ID: OTHER_SECRET_ACCESS_KEY}
        keyring = Keyring(keys)
        self._control = Control(self.journal, self._script, keyring)
        self._bedrock = BedrockService(self.journal, self._script, keyring)
        self._polly = PollyService(self.journal, self._script, keyring)
        self._transcribe = TranscribeService(self.journal, self._script, keyring)
        self._http_port, self._tls_port = http_port, tls_port
        self._runner: web.AppRunner | None = None
        self._tls_server: asyncio.Server | None = None
        self._folder: TemporaryDirectory[str] | None = None
        self._tls_connections: WeakSet[asyncio.BaseTransport] = WeakSet()
        self.addresses: Addresses | None = None

    async def start(self) -> Addresses:
        for rate_hz in (8_000, 16_000):
            speech_bytes(0, rate_hz, None, DEFAULT_AMPLITUDE)
        self._folder = TemporaryDirectory(prefix="aws-emulator-")
        ca_path = Path(self._folder.name) / "ca.pem"
        http_port = await self._start_http()
        tls_port = await self._start_tls(_tls_context(ca_path))
        self.addresses = Addresses(
            http=f"http://{HOST}:{http_port}",
            transcribe_https=f"https://{HOST}:{tls_port}",
            transcribe_wss=f"wss://{HOST}:{tls_port}",
            ca=str(ca_path),
        )
        return self.addresses

    async def stop(self) -> None:
        if self._tls_server is not None:
            self._tls_server.close()
        for connection in list(self._tls_connections):
            connection.close()
        if self._runner is not None:
            await self._runner.cleanup()
        if self._folder is not None:
            self._folder.cleanup()

    def env(self) -> dict[str, str]:
        if self.addresses is None:
            raise RuntimeError("the emulator has not been started")
        return self.addresses.env()

    def script(self, **update: Any) -> None:
        """The same fields as POST /_script; raises pydantic's ValidationError on any it does not know."""
        self._control.apply(ScriptUpdate.model_validate(update))

    def answer_bedrock(self, choose: Callable[[Json], BedrockPlan | None]) -> None:
        """`choose` gets the facts of a call no queued plan fits; None leaves it to the default."""
        self._script.bedrock.choose = choose

    def reset(self) -> None:
        self._control.reset()

    async def _start_http(self) -> int:
        app = web.Application(client_max_size=MAX_PAYLOAD_BYTES * 2)
        for part in (self._bedrock, self._polly, self._control):
            part.add_routes(app)
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, self._http_port)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def _start_tls(self, context: ssl.SSLContext) -> int:
        loop = asyncio.get_running_loop()
        self._tls_server = await loop.create_server(self._front, HOST, self._tls_port, ssl=context)
        return int(self._tls_server.sockets[0].getsockname()[1])

    def _front(self) -> asyncio.Protocol:
        return _AlpnFront(self._transcribe, self._tls_connections)


class _AlpnFront(asyncio.Protocol):
    """Hands a TLS connection to the protocol its client chose: h2, else HTTP/1.1 for the websocket."""

    def __init__(self, service: TranscribeService, connections: WeakSet[asyncio.BaseTransport]) -> None:
        self._service = service
        self._connections = connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._connections.add(transport)
        chosen = transport.get_extra_info("ssl_object").selected_alpn_protocol()
        protocol = Http2Protocol(self._service) if chosen == "h2" else WebsocketProtocol(self._service)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)


def _tls_context(ca_path: Path) -> ssl.SSLContext:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(ca_path))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST, "localhost").configure_cert(context)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context
