"""Fixtures of the web process's tests: its settings, changed for one test, and a client of the whole site."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

DOOR = "sessions.http.middleware.door"
KEY_A = "key-a-0123456789abcdef"
KEY_B = "key-b-0123456789abcdef"
APP_ID = "0123456789abcdef0123456789abcdef"
CERTIFICATE = "fedcba9876543210fedcba9876543210"

Configure = Callable[..., None]


@pytest.fixture
def configure(settings: Settings, redis_url: str) -> Configure:
    """Call it with fields of WebSettings to change; Redis is the test's own from the start."""

    def change(**fields: Any) -> None:
        settings.NOVA = dataclasses.replace(settings.NOVA, **fields)

    others = [name for name in settings.MIDDLEWARE if name != DOOR]
    settings.MIDDLEWARE = [DOOR, *others]
    settings.ALLOWED_HOSTS = ["testserver", "localhost"]
    change(redis_url=redis_url, auth="open", api_keys=(KEY_A, KEY_B), agora_app_id=None)
    return change


class Site:
    """Calls the API as one caller; answers (status, body)."""

    def __init__(self, key: str | None = None, **headers: str) -> None:
        self.client = Client(enforce_csrf_checks=True, raise_request_exception=False)
        self.headers = dict(headers)
        if key is not None:
            self.headers["Authorization"] = f"Bearer {key}"

    def post(self, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, Any]]:
        response = self.client.post(
            path, body or {}, content_type="application/json", headers={**self.headers, **headers}
        )
        return response.status_code, response.json()

    def post_raw(self, path: str, body: bytes, content_type: str = "application/json") -> Any:
        return self.client.post(path, body, content_type=content_type, headers=self.headers)

    def get(self, path: str, **headers: str) -> tuple[int, dict[str, Any]]:
        response = self.client.get(path, headers={**self.headers, **headers})
        return response.status_code, response.json()

    def start(self, channel_name: str, **fields: Any) -> tuple[int, dict[str, Any]]:
        return self.post("/v1/api/start", {"channel_name": channel_name, "graph_name": "voice", **fields})

    def stop(self, channel_name: str) -> tuple[int, dict[str, Any]]:
        return self.post("/v1/api/stop", {"channel_name": channel_name})

    def ping(self, channel_name: str) -> tuple[int, dict[str, Any]]:
        return self.post("/v1/api/ping", {"channel_name": channel_name})

    def generate(self, **fields: Any) -> tuple[int, dict[str, Any]]:
        return self.post("/v1/api/generate", fields)


@pytest.fixture
def site(configure: Configure) -> Site:
    return Site()
