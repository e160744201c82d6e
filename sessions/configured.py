"""Where the web process's rooms find their settings: the one place that asks Django for them."""

from typing import cast

from django.conf import settings

from sessions.settings import WebSettings


def web_settings() -> WebSettings:
    return cast(WebSettings, settings.NOVA)
