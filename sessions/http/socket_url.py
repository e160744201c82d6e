"""The address of our websocket as a client must open it."""

from django.http import HttpRequest

from sessions.configured import web_settings

SOCKET_PATH = "/v1/realtime"
_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


def socket_url(request: HttpRequest) -> str:
    """From NOVA_PUBLIC_URL when it is set, else from the request's own (checked) Host."""
    public_url = web_settings().public_url
    if public_url is None:
        return f"{'wss' if request.is_secure() else 'ws'}://{request.get_host()}{SOCKET_PATH}"
    scheme, _, rest = public_url.rstrip("/").partition("://")
    return f"{_SCHEMES.get(scheme.lower(), 'wss')}://{rest}{SOCKET_PATH}"
