"""A handshake that is refused, through the real server: one status, one code and one text for each reason."""

import json

import pytest
from websockets.asyncio.client import connect as open_socket
from websockets.exceptions import InvalidStatus

from tests.house import API_KEY, House

KEY = {"Authorization": f"Bearer {API_KEY}"}


@pytest.mark.parametrize(
    ("path", "headers", "status", "code"),
    [
        ("/v1/realtime", {}, 401, "invalid_api_key"),
        ("/v1/realtime", {"Authorization": "Bearer wrong-key-wrong-key"}, 401, "invalid_api_key"),
        ("/v1/realtime", {"Authorization": "Bearer ek_forged"}, 401, "ticket_forged"),
        ("/v1/realtime?token=x", KEY, 401, "secret_in_url"),
        ("/v1/realtime", {**KEY, "Origin": "https://evil.example"}, 403, "origin_not_allowed"),
        ("/v1/elsewhere", KEY, 404, "unknown_path"),
    ],
)
async def test_a_refused_handshake_says_why(
    house: House, path: str, headers: dict[str, str], status: int, code: str
) -> None:
    url = house.url.replace("http", "ws", 1) + path
    with pytest.raises(InvalidStatus) as caught:
        async with open_socket(url, additional_headers=headers):
            pass
    response = caught.value.response
    assert response.status_code == status
    event = json.loads(response.body)
    assert (event["type"], event["error"]["code"]) == ("error", code)
    assert event["error"]["message"]
