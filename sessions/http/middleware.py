"""What all HTTP requests of the site share: health, the front door's secret, CORS, security headers.

Goes first in MIDDLEWARE: load balancers ask for health with a Host of their own, before Django checks it.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import async_to_sync, iscoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware

from sessions.access import listed_origins, origin_secret_matches
from sessions.http.envelope import ForbiddenError, enveloped, error_response
from sessions.http.health import livez, readyz
from sessions.http.socket_url import socket_url

AsyncView = Callable[[HttpRequest], Awaitable[HttpResponse]]

HEALTH_VIEWS: dict[str, AsyncView] = {"/livez": livez, "/readyz": readyz}
API_PATHS = "/v1/"
# The admin's pages bring inline scripts of their own.
ADMIN_PATHS = "/admin/"
PERMISSIONS = "camera=(self), microphone=(self), display-capture=(self), geolocation=(), payment=(), usb=()"
PREFLIGHT_SECONDS = "600"


@sync_and_async_middleware
def door(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Written for both ways of calling, so that an asynchronous request pays no thread hop."""
    if iscoroutinefunction(get_response):

        async def async_middleware(request: HttpRequest) -> HttpResponse:
            if (health := _health_view(request)) is not None:
                return await health(request)
            response: HttpResponse = _early_answer(request) or await get_response(request)
            return _finished(request, response)

        return async_middleware

    def middleware(request: HttpRequest) -> HttpResponse:
        if (health := _health_view(request)) is not None:
            return async_to_sync(health)(request)
        response: HttpResponse = _early_answer(request) or get_response(request)
        return _finished(request, response)

    return middleware


def _health_view(request: HttpRequest) -> AsyncView | None:
    return HEALTH_VIEWS.get(request.path) if request.method in ("GET", "HEAD") else None


def _early_answer(request: HttpRequest) -> HttpResponse | None:
    if not origin_secret_matches(request.headers.get("X-Origin-Secret")):
        return error_response(request, ForbiddenError("not by the front door"))
    if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers and _is_cors(request):
        return HttpResponse(status=204)
    return None


def _is_cors(request: HttpRequest) -> bool:
    origin = request.headers.get("Origin", "").lower()
    return request.path.startswith(API_PATHS) and origin in listed_origins()


def _finished(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    if request.path.startswith(API_PATHS):
        if response.status_code >= 400 and not _is_json(response):
            response = enveloped(request, response)
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers["Vary"] = ", ".join(filter(None, (response.headers.get("Vary"), "Origin")))
        if _is_cors(request):
            _allow_origin(request, response)
    if not request.path.startswith(ADMIN_PATHS):
        response.headers.setdefault("Content-Security-Policy", _policy(request, response))
        response.headers.setdefault("Permissions-Policy", PERMISSIONS)
    return response


def _is_json(response: HttpResponse) -> bool:
    return response.headers.get("Content-Type", "").startswith("application/json")


def _allow_origin(request: HttpRequest, response: HttpResponse) -> None:
    """Without credentials: a caller from elsewhere brings an API key, never our cookies."""
    response.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
    response.headers["Access-Control-Allow-Methods"] = "GET, POST"
    response.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type"
    response.headers["Access-Control-Max-Age"] = PREFLIGHT_SECONDS


def _policy(request: HttpRequest, response: HttpResponse) -> str:
    if not response.headers.get("Content-Type", "").startswith("text/html") or response.status_code >= 400:
        return "default-src 'none'; frame-ancestors 'none'"
    socket_origin = "/".join(socket_url(request).split("/")[:3])
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "worker-src 'self'",
            "style-src 'self'",
            "img-src 'self' data: blob:",
            "media-src 'self' blob:",
            "font-src 'self'",
            f"connect-src 'self' {socket_origin}",
            "manifest-src 'self'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )
