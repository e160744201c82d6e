"""Door 1: the HTTP API under /v1, typed and documented at /v1/api/openapi.json."""

from typing import Any

import structlog
from asgiref.sync import sync_to_async
from django.http import HttpRequest
from ninja import NinjaAPI

from sessions.graphs.library import all_graphs
from sessions.http import actions
from sessions.http.actions import StartWish
from sessions.http.body import JsonBody
from sessions.http.callers import Caller, CallerAuth
from sessions.http.client_secrets import make_client_secret
from sessions.http.envelope import add_error_handlers, success
from sessions.http.schemas import (
    ChannelBody,
    ClientSecret,
    ClientSecretBody,
    Envelope,
    ErrorEnvelope,
    GenerateBody,
    Generated,
    ListedGraph,
    ListedSession,
    OpenAiErrorBody,
    StartBody,
    StartedSession,
)
from sessions.http.socket_url import socket_url

ERRORS = frozenset({400, 401, 403, 404, 409, 413, 415, 429, 500, 503})

api = NinjaAPI(
    title="Nova Realtime",
    version="1",
    description='Every answer is {code, msg, data}; code is a string and "0" is success.',
    openapi_url="/api/openapi.json",
    docs_url=None,
    urls_namespace="nova",
    auth=CallerAuth(),
    parser=JsonBody(),
)
add_error_handlers(api)


def _caller(request: HttpRequest, scope: str, request_id: str = "") -> Caller:
    """Who the authentication found, if its key is meant for this; every later log line of the request carries its id."""
    if request_id:
        structlog.contextvars.bind_contextvars(request_id=request_id)
    caller: Caller = request.auth  # type: ignore[attr-defined]
    caller.require(scope)
    return caller


@api.post("/api/generate", response={200: Envelope[Generated], ERRORS: ErrorEnvelope}, by_alias=True)
async def generate(request: HttpRequest, body: GenerateBody) -> dict[str, Any]:
    """Tickets for one channel: an Agora RTC token, and a client secret for our own websocket."""
    caller = _caller(request, "tickets", body.request_id)
    generated = await sync_to_async(actions.generate)(caller, body.channel_name, body.uid, socket_url(request))
    return success(generated)


@api.post("/api/start", response={200: Envelope[StartedSession], ERRORS: ErrorEnvelope})
async def start(request: HttpRequest, body: StartBody) -> dict[str, Any]:
    """Start an agent on a channel; of many calls at once exactly one succeeds."""
    wish = StartWish(
        channel_name=body.channel_name,
        graph_name=body.graph_name,
        user_uid=body.user_uid,
        bot_uid=body.bot_uid,
        properties=body.properties,
        timeout_seconds=body.timeout or None,
    )
    session = await sync_to_async(actions.start)(_caller(request, "sessions", body.request_id), wish)
    return success(StartedSession(session_id=session.id, channel_name=session.channel_name))


@api.post("/api/stop", response={200: Envelope[None], ERRORS: ErrorEnvelope})
async def stop(request: HttpRequest, body: ChannelBody) -> dict[str, Any]:
    """Stop the agent of a channel; stopping it twice is fine."""
    await sync_to_async(actions.stop)(_caller(request, "sessions", body.request_id), body.channel_name)
    return success(None)


@api.post("/api/ping", response={200: Envelope[None], ERRORS: ErrorEnvelope})
async def ping(request: HttpRequest, body: ChannelBody) -> dict[str, Any]:
    """Say that somebody is still there; an open websocket says so by itself."""
    await sync_to_async(actions.ping)(_caller(request, "sessions", body.request_id), body.channel_name)
    return success(None)


@api.get("/api/list", response={200: Envelope[list[ListedSession]], ERRORS: ErrorEnvelope}, by_alias=True)
async def list_sessions(request: HttpRequest) -> dict[str, Any]:
    """The caller's own running sessions."""
    return success(await sync_to_async(actions.list_sessions)(_caller(request, "sessions")))


@api.get("/api/graphs", response={200: Envelope[list[ListedGraph]], ERRORS: ErrorEnvelope})
async def list_graphs(request: HttpRequest) -> dict[str, Any]:
    """The graphs that `start` knows."""
    return success(
        [
            ListedGraph(
                name=graph.name,
                uuid=graph.name,
                auto_start=False,
                description=graph.description,
                languages=list(graph.languages),
            )
            for graph in all_graphs()
        ]
    )


@api.post("/realtime/client_secrets", response={200: ClientSecret, ERRORS: OpenAiErrorBody})
async def create_client_secret(request: HttpRequest, body: ClientSecretBody) -> ClientSecret:
    """As OpenAI's: a secret that opens the websocket on a new channel of its own, started with it."""
    return await sync_to_async(make_client_secret)(_caller(request, "tickets"), body)
