"""Owns a server that the page takes for the real one: its page, its three HTTP calls, its sockets."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from django.template import Context, Engine

from .static_tag import STATIC_PATH
from .stub_socket import WAIT_LIMIT_SECONDS, Event, StubSocket

SESSIONS = Path(__file__).parents[2] / "sessions"
CSRF_TOKEN = "csrf-of-the-test"
GRAPHS = [
    {"name": "voice", "description": "Hears & answers", "languages": ["en-US", "zh-CN"]},
    {
        "name": "va_nova_multimodal_aws",
        "description": "Hears, sees and answers",
        "languages": ["zh-CN", "en-US"],
    },
]
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "media-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


class StubServer:
    """Answers as a healthy server until a test says otherwise in `answers` and `refused_handshakes`."""

    def __init__(self) -> None:
        self.origin = ""
        self.calls: dict[str, list[Event]] = defaultdict(list)
        self.headers: dict[str, list[dict[str, str]]] = defaultdict(list)
        # For each action, answers to give before the healthy one: (HTTP status, envelope or other text).
        self.answers: dict[str, list[tuple[int, Any]]] = defaultdict(list)
        self.refused_handshakes = 0
        self.resumes = False
        self.handshakes = 0
        self._sockets: list[StubSocket] = []
        self._changed = threading.Condition()

    def wait_socket(self, index: int = 0) -> StubSocket:
        with self._changed:
            met = self._changed.wait_for(lambda: len(self._sockets) > index, WAIT_LIMIT_SECONDS)
            assert met, f"the page opened no socket number {index}"
            return self._sockets[index]

    def wait_call(self, action: str, count: int = 1) -> Event:
        with self._changed:
            met = self._changed.wait_for(lambda: len(self.calls[action]) >= count, WAIT_LIMIT_SECONDS)
            assert met, f"the page did not call {action} {count} times"
            return self.calls[action][count - 1]

    def application(self) -> web.Application:
        application = web.Application()
        application.router.add_get("/", self._page)
        application.router.add_post("/v1/api/{action}", self._call)
        application.router.add_get("/v1/realtime", self._realtime)
        application.router.add_static(STATIC_PATH, SESSIONS / "static")
        return application

    async def _page(self, _: web.Request) -> web.Response:
        engine = Engine(dirs=[str(SESSIONS / "templates")], libraries={"static": f"{__package__}.static_tag"})
        context = Context({"graphs": GRAPHS, "csrf_token": CSRF_TOKEN})
        text = engine.get_template("nova_sessions/page.html").render(context)
        return web.Response(text=text, content_type="text/html", headers={"Content-Security-Policy": CSP})

    async def _call(self, request: web.Request) -> web.Response:
        action = request.match_info["action"]
        body = await request.json()
        with self._changed:
            self.calls[action].append(body)
            self.headers[action].append(dict(request.headers))
            self._changed.notify_all()
        if self.answers[action]:
            status, answer = self.answers[action].pop(0)
            text = answer if isinstance(answer, str) else json.dumps(answer)
            return web.Response(text=text, status=status)
        data = self._ticket(body) if action == "generate" else None
        return web.json_response({"code": "0", "msg": "success", "data": data})

    def _ticket(self, body: Event) -> Event:
        channel = body.get("channel_name", f"channel-{len(self.calls['generate'])}")
        realtime = {
            "url": f"{self.origin.replace('http', 'ws')}/v1/realtime",
            "client_secret": f"secret-of-{channel}",
            "expires_at": int(time.time()) + 600,
        }
        return {"appId": "", "channel_name": channel, "uid": body["uid"], "token": None, "realtime": realtime}

    async def _realtime(self, request: web.Request) -> web.StreamResponse:
        self.handshakes += 1
        if self.refused_handshakes > 0:
            self.refused_handshakes -= 1
            return web.Response(status=403)
        offered = [name.strip() for name in request.headers["Sec-WebSocket-Protocol"].split(",")]
        response = web.WebSocketResponse(protocols=["nova.binary"], max_msg_size=1024 * 1024)
        await response.prepare(request)
        first = int(request.query["seq"]) if self.resumes and "seq" in request.query else None
        socket = StubSocket(response, offered, dict(request.query), first)
        with self._changed:
            self._sockets.append(socket)
            self._changed.notify_all()
        await socket.serve()
        return response


@contextmanager
def running() -> Iterator[StubServer]:
    """Serves from a thread of its own, because the browser is driven from the test's thread."""
    stub = StubServer()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="stub-server", daemon=True)
    thread.start()
    runner = web.AppRunner(stub.application(), shutdown_timeout=0.1)
    try:
        asyncio.run_coroutine_threadsafe(_start(runner, stub), loop).result(WAIT_LIMIT_SECONDS)
        yield stub
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(WAIT_LIMIT_SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(WAIT_LIMIT_SECONDS)
        loop.close()


async def _start(runner: web.AppRunner, stub: StubServer) -> None:
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    stub.origin = f"http://{host}:{port}"
