"""Journeys run on whole houses: real processes, real Redis, the AWS emulator or the local providers."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, NamedTuple

import pytest

from sessions.management.redis_server import free_port
from tests.house import API_KEY, House

CALLER_KEY = "journey-caller-0123456789"
"""For generate and start, which are counted by the minute: the claim's twenty starts must not use them up."""
FOREIGN_KEY = "journey-foreign-0123456789"
HOUSE_SETTINGS = {
    "NOVA_API_KEYS": f"{API_KEY},{CALLER_KEY},{FOREIGN_KEY}",
    "SESSIONS_MAX": "1000",
    "NOVA_FILLER_MS": "0",
    "NOVA_SPECULATION": "false",
}
"""No filler and no speculation by default: on a machine that is slow for a moment a filler would stand before the
scripted words, and a reply begun too early would take the scripted answer with it."""
QUIET_SECONDS = 15.0

Play = Callable[[Callable[[House], Coroutine[Any, Any, Any]]], Any]


class Webs(NamedTuple):
    urls: list[str]
    key: str


@pytest.fixture(scope="package")
def house_of_aws() -> Iterator[House]:
    """Two web processes on one database and one Redis, providers "aws" on the emulator; shared by the run's journeys."""
    with House("aws", webs=2, settings={**HOUSE_SETTINGS, "NOVA_METRICS_PORT": str(free_port())}) as house:
        yield house


@pytest.fixture
def house(house_of_aws: House) -> House:
    """The shared house with the emulator's script and journal emptied."""
    become_quiet(house_of_aws)
    return house_of_aws


@pytest.fixture(scope="module")
def play(house_of_aws: House) -> Play:
    """Plays one conversation for all tests of a module, which then read what it left."""

    def run(conversation: Callable[[House], Coroutine[Any, Any, Any]]) -> Any:
        become_quiet(house_of_aws)
        return asyncio.run(conversation(house_of_aws))

    return run


@pytest.fixture
def two_webs(house: House) -> Webs:
    return Webs(house.urls, API_KEY)


def become_quiet(house: House) -> None:
    """The calls of the journey before have ended, so none of them can take this one's script."""
    deadline = time.monotonic() + QUIET_SECONDS
    while still_open := house.aws.journal(open=True):
        assert time.monotonic() < deadline, f"calls of an ended session are still open: {still_open}"
        time.sleep(0.05)
    house.aws.reset()
