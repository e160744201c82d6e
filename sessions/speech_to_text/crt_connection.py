"""One HTTP/2 connection of awscrt for one stream, with a body that lets the C thread rest."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import Future
from typing import Any
from urllib.parse import urlsplit

from amazon_transcribe.exceptions import HTTPException
from amazon_transcribe.response import Response
from amazon_transcribe.structures import BufferableByteStream
from awscrt import http, io

LONGEST_PAUSE_SECONDS = 0.02
SHORTEST_PAUSE_SECONDS = 0.008
PAUSE_PER_BODY_SECONDS = 0.0003
MAX_QUEUED_CHUNKS = 1024


class BodyPacer:
    """Pauses the C thread once a round.

    awscrt asks every open body for bytes again and again (a full core for one idle stream). All bodies share
    the thread, so it may pause only when each was asked since the last pause: when one is asked twice.
    """

    def __init__(self) -> None:
        self._asked: set[int] = set()
        self._lock = threading.Lock()

    def found_nothing(self, body_id: int) -> None:
        """Called on the C thread by a body that has no bytes; blocks it for one pause or not at all."""
        with self._lock:
            idle_bodies = len(self._asked) if body_id in self._asked else 0
            if idle_bodies:
                self._asked.clear()
            self._asked.add(body_id)
        if idle_bodies:
            pause = SHORTEST_PAUSE_SECONDS + PAUSE_PER_BODY_SECONDS * idle_bodies
            time.sleep(min(LONGEST_PAUSE_SECONDS, pause))


class PacedBody(BufferableByteStream):
    def __init__(self, pacer: BodyPacer) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._pacer = pacer

    def read(self, size: int | None = -1) -> bytes:
        try:
            data: Any = super().read(-1 if size is None else size)
        except BlockingIOError:
            self._pacer.found_nothing(id(self))
            raise
        return bytes(data)


class CrtConnector:
    """The thread, the resolver and the trust that all connections of the process share."""

    def __init__(self, ca_bundle_path: str | None) -> None:
        group = io.EventLoopGroup(1)
        self.bootstrap = io.ClientBootstrap(group, io.DefaultHostResolver(group))
        options = io.TlsContextOptions()
        if ca_bundle_path is not None:
            options.override_default_trust_store_from_path(None, ca_bundle_path)
        self.tls = io.ClientTlsContext(options)
        self.socket_options = io.SocketOptions()
        self.pacer = BodyPacer()


class CrtConnection:
    """Stands where the SDK has its session manager; makes one request and dies with it."""

    def __init__(self, connector: CrtConnector) -> None:
        self._connector = connector
        self._connection: http.HttpClientConnection | None = None
        self._body: PacedBody | None = None
        self._is_closed = False
        self._answer: _Answer | None = None

    @property
    def is_over(self) -> bool:
        return self._is_closed or (self._answer is not None and self._answer.is_over)

    @property
    def failure(self) -> BaseException | None:
        return self._answer.failure if self._answer is not None else None

    async def make_request(self, url: str, method: str, headers: list[tuple[str, str]], body: PacedBody) -> "_Answer":
        parts = urlsplit(url)
        connection = await self._connect(parts.hostname or "", parts.port or 443)
        self._body = body
        answer = self._answer = _Answer()
        request = http.HttpRequest(method, parts.path, http.HttpHeaders(headers), body)
        stream = connection.request(request, answer.on_headers, answer.on_body)
        stream.completion_future.add_done_callback(self._on_complete)
        stream.activate()
        return answer

    def close(self) -> None:
        """Safe twice and from any thread."""
        self._is_closed = True
        if self._body is not None:
            self._body.close()  # type: ignore[no-untyped-call]
        if self._connection is not None:
            self._connection.close()

    async def _connect(self, host: str, port: int) -> Any:
        tls = self._connector.tls.new_connection_options()
        tls.set_server_name(host)
        tls.set_alpn_list(["h2"])
        connecting = http.HttpClientConnection.new(
            host_name=host,
            port=port,
            bootstrap=self._connector.bootstrap,
            socket_options=self._connector.socket_options,
            tls_connection_options=tls,
        )
        connecting.add_done_callback(self._on_connected)
        # Shielded: awscrt may set a result on a future that was cancelled meanwhile, and the connection would leak.
        connection = await asyncio.shield(asyncio.wrap_future(connecting))
        if connection.version is not http.HttpVersion.Http2:
            raise HTTPException("HTTP/2 could not be negotiated")
        return connection

    def _on_connected(self, connecting: "Future[Any]") -> None:
        """Runs before the waiting coroutine, and also when nobody waits any more."""
        if connecting.cancelled() or connecting.exception() is not None:
            return
        self._connection = connecting.result()
        if self._is_closed:
            self._connection.close()

    def _on_complete(self, completion: "Future[Any]") -> None:
        if self._answer is not None:
            self._answer.on_complete(completion)
        self.close()


class _Answer:
    """The response as the SDK wants it; the C thread only hands over to the event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._head: asyncio.Future[Response] = self._loop.create_future()
        self._chunks: asyncio.Queue[bytes] = asyncio.Queue()
        self.failure: BaseException | None = None
        self.is_over = False

    def on_headers(self, http_stream: Any, status_code: int, headers: list[tuple[str, str]], **_: Any) -> None:
        self._hand_over(self._take_head, Response(status_code, dict(headers)))

    def on_body(self, http_stream: Any, chunk: bytes, **_: Any) -> None:
        self._hand_over(self._take_chunk, bytes(chunk))

    def on_complete(self, completion: "Future[Any]") -> None:
        failure = None if completion.cancelled() else completion.exception()
        self._hand_over(self._take_end, failure)

    async def resolve_response(self) -> Response:
        return await self._head

    async def consume_body(self) -> bytes:
        return b"".join([chunk async for chunk in self.chunks()])

    async def chunks(self) -> AsyncIterator[bytes]:
        while chunk := await self._chunks.get():
            yield chunk

    def _hand_over(self, take: Any, value: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(take, value)
        except RuntimeError:
            # The event loop has ended, and with it everybody who could have wanted this.
            return

    def _take_head(self, head: Response) -> None:
        if not self._head.done():
            self._head.set_result(head)

    def _take_chunk(self, chunk: bytes) -> None:
        if self._chunks.qsize() < MAX_QUEUED_CHUNKS:
            self._chunks.put_nowait(chunk)
            return
        self._take_end(HTTPException("transcripts were not read"))

    def _take_end(self, failure: BaseException | None) -> None:
        if self.is_over:
            return
        self.is_over = True
        self.failure = failure
        self._chunks.put_nowait(b"")
        if not self._head.done():
            self._head.set_exception(HTTPException(f"the request failed: {failure}"))
            self._head.exception()
