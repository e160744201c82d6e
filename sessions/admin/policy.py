"""What all requests to the admin share: whether it answers here at all, how often one may sign in, and its security headers."""

import ipaddress
import secrets
from collections.abc import Callable
from typing import Any

import structlog
from asgiref.sync import iscoroutinefunction, sync_to_async
from django.http import Http404, HttpRequest, HttpResponse
from django.http.request import split_domain_port
from django.utils.decorators import sync_and_async_middleware

from sessions.access import client_address
from sessions.configured import web_settings
from sessions.sign_in import TooManyAttemptsError, count_attempt
from workers.errors import StreamsUnavailableError

log = structlog.get_logger(__name__)

ADMIN_PATH = "/admin/"
SIGN_IN_PATHS = ("/admin/login/", "/sign-in/")
# Alpine, which unfold's pages are written with, makes functions of its attributes: 'unsafe-eval'. No inline script or
# style is allowed, so markup that somebody has spoken or typed can run nothing.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'unsafe-eval'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)


@sync_and_async_middleware
def operators_door(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """After the first middleware and before sessions are read."""
    if iscoroutinefunction(get_response):

        async def async_middleware(request: HttpRequest) -> HttpResponse:
            if not _is_ours(request):
                passed: HttpResponse = await get_response(request)
                return passed
            early = await sync_to_async(early_answer, thread_sensitive=False)(request)
            response: HttpResponse = early or await get_response(request)
            return with_headers(request, response)

        return async_middleware

    def middleware(request: HttpRequest) -> HttpResponse:
        if not _is_ours(request):
            passed: HttpResponse = get_response(request)
            return passed
        response: HttpResponse = early_answer(request) or get_response(request)
        return with_headers(request, response)

    return middleware


def _is_ours(request: HttpRequest) -> bool:
    return request.path.startswith(ADMIN_PATH) or request.path in SIGN_IN_PATHS


def early_answer(request: HttpRequest) -> HttpResponse | None:
    if request.path.startswith(ADMIN_PATH) and not is_reachable(request):
        raise Http404
    if request.method == "POST" and request.path in SIGN_IN_PATHS:
        return _refused_attempt(request)
    return None


def is_reachable(request: HttpRequest) -> bool:
    is_forwarded = "X-Forwarded-For" in request.headers or "Forwarded" in request.headers
    return is_open_to(request.get_host(), request.META.get("REMOTE_ADDR") or "", is_forwarded=is_forwarded)


def is_open_to(host: str, peer: str, *, is_forwarded: bool) -> bool:
    """From this machine itself (a port forward included), or by a Host that NOVA_ADMIN_HOSTS names.

    What came through a proxy is not from this machine, whatever its Host says.
    """
    domain, _ = split_domain_port(host)
    allowed = web_settings().admin_hosts
    if domain in allowed or "*" in allowed:
        return True
    return not is_forwarded and _is_loopback(peer)


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _refused_attempt(request: HttpRequest) -> HttpResponse | None:
    forwarded = request.headers.get("X-Forwarded-For")
    address = client_address([forwarded] if forwarded else [], request.META.get("REMOTE_ADDR") or "unknown")
    try:
        count_attempt(request.POST.get("username", ""), address, secrets.token_hex(4))
    except TooManyAttemptsError as error:
        log.warning("sign_in_refused", address=address)
        response = HttpResponse(error.text, status=429, content_type="text/plain; charset=utf-8")
        response.headers["Retry-After"] = str(error.wait_seconds)
        return response
    except StreamsUnavailableError as error:
        return HttpResponse(error.text, status=503, content_type="text/plain; charset=utf-8")
    return None


def with_headers(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    if request.path.startswith(ADMIN_PATH):
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["Permissions-Policy"] = "camera=(), microphone=(), geolocation=(), payment=(), usb=()"
        response.headers.setdefault("Cache-Control", "no-store")
    return response
