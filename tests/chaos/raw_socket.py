"""A client's bare websocket, for what a well-behaved library does not do: not reading, flooding, watching the close."""

from contextlib import AbstractAsyncContextManager
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as connect_websocket

from tests.house import API_KEY, House


def open_socket(house: House, **options: Any) -> AbstractAsyncContextManager[ClientConnection]:
    headers = {"Authorization": f"Bearer {API_KEY}"}
    return connect_websocket(f"{house.ws_url}?model=nova", additional_headers=headers, max_size=None, **options)
