"""The claim of a channel through two web processes that share one database and one Redis."""

import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any, Protocol

import httpx

from tests.house import API_KEY

STARTS = 20
AUTHORIZATION = {"Authorization": f"Bearer {API_KEY}"}


class TwoWebs(Protocol):
    """Base URLs of two running web processes, without a slash at the end."""

    @property
    def urls(self) -> tuple[str, ...]: ...


def _call(base_url: str, name: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    response = httpx.post(f"{base_url}/v1/api/{name}", json=body, headers=AUTHORIZATION, timeout=30)
    return response.status_code, response.json()


def _channel_name() -> str:
    return f"claim-{uuid.uuid4().hex}"


def _listed(base_url: str) -> list[str]:
    body = httpx.get(f"{base_url}/v1/api/list", headers=AUTHORIZATION, timeout=30).json()
    return [item["channelName"] for item in body["data"]]


def test_of_twenty_starts_through_two_processes_exactly_one_wins(two_webs: TwoWebs) -> None:
    channel_name, barrier = _channel_name(), Barrier(STARTS)

    def start(number: int) -> tuple[int, str]:
        barrier.wait(timeout=30)
        body = {"channel_name": channel_name, "graph_name": "voice", "request_id": str(number)}
        status, answer = _call(two_webs.urls[number % 2], "start", body)
        return status, answer["code"]

    with ThreadPoolExecutor(STARTS) as pool:
        outcomes = Counter(pool.map(start, range(STARTS)))
    assert outcomes == {(200, "0"): 1, (409, "10003"): STARTS - 1}
    assert [_listed(url).count(channel_name) for url in two_webs.urls[:2]] == [1, 1]


def test_a_session_started_at_one_process_is_stopped_at_the_other(two_webs: TwoWebs) -> None:
    first, second = two_webs.urls[:2]
    body = {"channel_name": _channel_name()}
    assert _call(first, "start", {**body, "graph_name": "voice"})[1]["code"] == "0"
    assert _call(second, "ping", body)[1]["code"] == "0"
    assert [_call(url, "stop", body)[1]["code"] for url in (second, first)] == ["0", "0"]
    assert _call(first, "ping", body)[0] == 404
    assert body["channel_name"] not in _listed(first)
