"""Where the web process's rooms find their settings: the one place that asks Django for them."""

from django.conf import settings

from sessions.settings import WebSettings


def web_settings() -> WebSettings:
    configured: WebSettings = settings.NOVA
    return configured
