"""daphne inside our own process: the web process's loops run on its event loop, and a client that never reads is cut."""

import asyncio
import http
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import daphne.server
import structlog
from autobahn.websocket.protocol import WebSocketProtocol
from twisted.internet import defer
from twisted.internet import reactor as installed_reactor

from sessions.management.web_files import DRAINED, WebFile
from sessions.metrics import CLIENTS_CUT
from sessions.web_process import WebProcess
from workers.errors import NovaError

# Typed as a module; what daphne has installed under the name is a reactor object.
reactor: Any = installed_reactor
logger = structlog.get_logger(__name__)

MAX_UNSENT_BYTES = 1_048_576
UNSENT_CHECK_SECONDS = 0.5
PING_SECONDS = 10
PING_TIMEOUT_SECONDS = 10
MAX_MESSAGE_BYTES = 1_048_576 + 4_096


class WebServer(daphne.server.Server):  # type: ignore[misc]
    """Runs until SIGTERM or SIGINT. `failure` holds the reason when it could not listen."""

    def __init__(
        self, application: Any, endpoint: str, port: int, start_process: Callable[[], Awaitable[WebProcess]]
    ) -> None:
        super().__init__(
            application=application,
            endpoints=[endpoint],
            signal_handlers=True,
            ping_interval=PING_SECONDS,
            ping_timeout=PING_TIMEOUT_SECONDS,
            websocket_timeout=86_400,
            request_buffer_size=65_536,
            application_close_timeout=5,
            websocket_max_message_size=MAX_MESSAGE_BYTES,
            websocket_max_frame_size=MAX_MESSAGE_BYTES,
            server_name="nova",
            verbosity=1,
        )
        self.failure: str | None = None
        self._start_process = start_process
        self._process: WebProcess | None = None
        self._port = port
        self._file: WebFile | None = None
        self._draining: asyncio.Task[None] | None = None
        self.ready_callable = self._when_ready

    def _when_ready(self) -> None:
        reactor.callWhenRunning(self._start)
        reactor.callLater(UNSENT_CHECK_SECONDS, self._cut_deaf_clients)

    def _start(self) -> None:
        asyncio.get_event_loop().create_task(self._start_loops())

    async def _start_loops(self) -> None:
        try:
            self._process = await self._start_process()
            self._listen_to_drain()
        except NovaError as error:
            self.failure = error.text
            self.stop()
        except Exception as error:  # process border: the server must not serve half started
            logger.exception("web_process_failed")
            self.failure = str(error)
            self.stop()

    def _listen_to_drain(self) -> None:
        """`manage.py drain` finds the file, sends the signal, and reads in the file when all is done."""
        self._file = WebFile(self._port)
        asyncio.get_event_loop().add_signal_handler(signal.SIGUSR1, self._begin_to_drain)

    def _begin_to_drain(self) -> None:
        if self._draining is None:
            self._draining = asyncio.get_event_loop().create_task(self._drain())

    async def _drain(self) -> None:
        if self._process is not None:
            await self._process.drain()
        if self._file is not None:
            self._file.say(DRAINED)

    def kill_all_applications(self) -> "defer.Deferred[None]":
        """daphne's own trigger of the shutdown; cancelled at once, no application could send its close frame."""
        stopped = self._stop()
        stopped.addBoth(lambda _: super(WebServer, self).kill_all_applications())
        return stopped

    def create_application(self, protocol: Any, scope: Any) -> Any:
        """Promises the websocket door that a refused handshake can say why (ASGI's denial response)."""
        if scope["type"] == "websocket":
            scope["extensions"] = {"websocket.http.response": {}}
        return super().create_application(protocol, scope)

    async def handle_reply(self, protocol: Any, message: Any) -> None:
        """Each message looks at what is unsent: within one pause of the check a flood of answers was 20 MiB."""
        if message["type"].startswith("websocket.http.response."):
            _deny(protocol, message)
            return
        if message["type"] == "websocket.close" and getattr(protocol, "state", None) == WebSocketProtocol.STATE_OPEN:
            _send_close(protocol, message)
            return
        await super().handle_reply(protocol, message)
        if message["type"] == "websocket.send":
            _write_now(protocol.transport)
        self._cut_if_deaf(protocol)

    def _stop(self) -> "defer.Deferred[None]":
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._process is None:
            return defer.succeed(None)
        future = asyncio.ensure_future(self._process.stop(), loop=asyncio.get_event_loop())
        return defer.Deferred.fromFuture(future)

    def listen_error(self, failure: Any) -> None:
        self.failure = failure.getErrorMessage()
        self.stop()

    def _cut_deaf_clients(self) -> None:
        """daphne has no back-pressure: what a client does not read would grow in our memory without end."""
        for protocol in list(self.connections):
            self._cut_if_deaf(protocol)
        reactor.callLater(UNSENT_CHECK_SECONDS, self._cut_deaf_clients)

    def _cut_if_deaf(self, protocol: Any) -> None:
        transport = getattr(protocol, "transport", None)
        if transport is not None and _unsent_bytes(transport) > MAX_UNSENT_BYTES:
            CLIENTS_CUT.of("deaf").inc()
            logger.warning("deaf_client_cut", unsent_bytes=_unsent_bytes(transport))
            transport.abortConnection()


def _write_now(transport: Any) -> None:
    """twisted would write in its next turn, after all else that is due then. What goes wrong it sees there again."""
    if transport is not None and transport.connected and not transport.disconnecting:
        transport.doWrite()


def _send_close(protocol: Any, message: Any) -> None:
    """autobahn's sendClose refuses 1011, 1012 and 1013, and daphne leaves out the reason."""
    reason = message.get("reason", "").encode()
    protocol.sendCloseFrame(code=message.get("code") or 1000, reasonUtf8=reason or None, isReply=False)


def _deny(protocol: Any, message: Any) -> None:
    """daphne knows no denial response: a refused handshake was a bare 403 for any reason."""
    if message["type"] == "websocket.http.response.start":
        protocol.denial = message
        return
    start, body = protocol.denial, message["body"]
    phrase = http.HTTPStatus(start["status"]).phrase
    lines = [f"HTTP/1.1 {start['status']} {phrase}".encode()]
    lines += [name + b": " + value for name, value in start["headers"]]
    protocol.sendData(b"\r\n".join([*lines, b"connection: close", b"", body]))
    protocol.dropConnection(abort=False)


def _unsent_bytes(transport: Any) -> int:
    """What twisted's transport holds: the buffer being written and the pieces that wait behind it."""
    buffered = len(getattr(transport, "dataBuffer", b"")) - getattr(transport, "offset", 0)
    return buffered + int(getattr(transport, "_tempDataLen", 0))
