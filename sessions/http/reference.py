"""The reference server's bare paths for its clients: always 200, unknown fields ignored; open mode only."""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import structlog
from asgiref.sync import sync_to_async
from django.db import Error as DjangoDatabaseError
from django.http import Http404, HttpRequest, JsonResponse
from django.urls import URLPattern, path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sessions.configured import web_settings
from sessions.graphs.library import all_graphs, load_graph
from sessions.http import actions
from sessions.http.actions import StartWish
from sessions.http.body import read_json_object
from sessions.http.callers import Caller, open_caller, refuse_foreign_origin
from sessions.http.envelope import STATUS_OF_CODE, UNAVAILABLE, code_of, input_error, success
from sessions.http.schemas import MAX_TIMEOUT_SECONDS, ChannelName, Uid
from sessions.http.socket_url import socket_url
from sessions.lifecycle import NEVER
from workers.errors import BadInputError, NovaError

log = structlog.get_logger(__name__)

Action = Callable[[Caller, dict[str, Any], str], Any]
Timeout = Annotated[int, Field(ge=-(2**31), le=MAX_TIMEOUT_SECONDS)]


class _LenientBody(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)

    request_id: Annotated[str, Field(max_length=128)] = ""
    channel_name: ChannelName


class _TokenBody(_LenientBody):
    uid: Uid = 0


class _StartBody(_LenientBody):
    graph_name: Annotated[str, Field(max_length=64)]
    user_uid: Uid = 0
    bot_uid: Uid = 0
    token: str = ""
    worker_http_server_port: int = 0
    properties: dict[str, Any] = Field(default_factory=dict)
    timeout: Timeout = 0


Body = TypeVar("Body", bound=_LenientBody)


def _generate(caller: Caller, fields: dict[str, Any], url: str) -> dict[str, Any]:
    body = _read(_TokenBody, fields)
    made = actions.generate(caller, body.channel_name, body.uid, url)
    return {"appId": made.app_id, "token": made.token, "channel_name": made.channel_name, "uid": made.uid}


def _start(caller: Caller, fields: dict[str, Any], url: str) -> None:
    body = _read(_StartBody, fields)
    properties, ignored = load_graph(body.graph_name).without_unknown(body.properties)
    if ignored:
        log.info("properties ignored", graph_name=body.graph_name, properties=ignored)
    wish = StartWish(
        channel_name=body.channel_name,
        graph_name=body.graph_name,
        user_uid=body.user_uid,
        bot_uid=body.bot_uid,
        properties=properties,
        timeout_seconds=body.timeout if body.timeout > 0 or body.timeout == NEVER else None,
    )
    actions.start(caller, wish)


def _stop(caller: Caller, fields: dict[str, Any], url: str) -> None:
    actions.stop(caller, _read(_LenientBody, fields).channel_name)


def _ping(caller: Caller, fields: dict[str, Any], url: str) -> None:
    actions.ping(caller, _read(_LenientBody, fields).channel_name)


def _list(caller: Caller, fields: dict[str, Any], url: str) -> list[dict[str, Any]]:
    return [
        {"channelName": session.channel_name, "createTs": session.created_at}
        for session in actions.list_sessions(caller)
    ]


def _graphs(caller: Caller, fields: dict[str, Any], url: str) -> list[dict[str, Any]]:
    return [{"name": graph.name, "uuid": graph.name, "auto_start": False} for graph in all_graphs()]


def _health(caller: Caller, fields: dict[str, Any], url: str) -> None:
    return None


def _read(body_type: type[Body], fields: dict[str, Any]) -> Body:
    try:
        body = body_type.model_validate(fields)
    except ValidationError as error:
        raise input_error([dict(item) for item in error.errors()]) from error
    if body.model_extra:
        log.info("fields ignored", fields=sorted(body.model_extra))
    return body


async def _answer(request: HttpRequest, action: Action) -> JsonResponse:
    if web_settings().auth != "open":
        raise Http404
    try:
        refuse_foreign_origin(request)
        fields = read_json_object(request) if request.method == "POST" else {}
        url = socket_url(request)
        return JsonResponse(success(await sync_to_async(action)(open_caller(request), fields, url)))
    except NovaError as error:
        return _refusal(error)
    except DjangoDatabaseError:
        return _refusal(NovaError("the database cannot be reached", code=UNAVAILABLE))


def _refusal(error: NovaError) -> JsonResponse:
    """HTTP 200 with the intended status in the place of the data, as the reference's clients know it."""
    code = code_of(error)
    status = STATUS_OF_CODE[code]
    shown = {"10001": 429, "10429": 429}.get(code, 500 if status >= 500 else 400)
    log.info("request refused", code=code, field=error.field if isinstance(error, BadInputError) else None)
    return JsonResponse({"code": code, "msg": error.text, "data": shown})


def _path(route: str, action: Action, *, is_post: bool) -> URLPattern:
    async def view(request: HttpRequest) -> JsonResponse:
        return await _answer(request, action)

    guarded = require_POST(view) if is_post else require_GET(view)
    return path(route, csrf_exempt(guarded), name=f"reference-{action.__name__.strip('_')}")


urlpatterns = [
    _path("token/generate", _generate, is_post=True),
    _path("start", _start, is_post=True),
    _path("stop", _stop, is_post=True),
    _path("ping", _ping, is_post=True),
    _path("list", _list, is_post=False),
    _path("graphs", _graphs, is_post=False),
    _path("health", _health, is_post=False),
]
