"""Chaos runs last, on a house of its own whose parts are killed, frozen and taken away; nothing else shares it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house import House

HERE = Path(__file__).parent
TEST_SECONDS = 90


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """After everything else: what a test leaves broken here must not fail a journey."""
    chaos = [item for item in items if item.path.is_relative_to(HERE)]
    for item in chaos:
        item.add_marker(pytest.mark.chaos)
        item.add_marker(pytest.mark.timeout(TEST_SECONDS, func_only=True))
    others = [item for item in items if item not in chaos]
    items[:] = others + chaos


@pytest.fixture(scope="session")
def chaos_house() -> Iterator[House]:
    with House("aws", settings={"NOVA_FILLER_MS": "0"}) as house:
        yield house


@pytest.fixture
def house(chaos_house: House) -> House:
    """The chaos house with everything running and the emulator's script and journal emptied."""
    chaos_house.aws.reset()
    assert chaos_house.talker.is_running()
    assert chaos_house.webs[0].is_running()
    return chaos_house
