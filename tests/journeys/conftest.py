"""Journeys run on whole houses: real processes, real Redis, the AWS emulator or the local providers."""

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.house import House


class Webs(NamedTuple):
    urls: list[str]


@pytest.fixture(scope="session")
def house_of_aws() -> Iterator[House]:
    """Two web processes on one database and one Redis, providers "aws" on the emulator; shared by the run's journeys."""
    with House("aws", webs=2) as house:
        yield house


@pytest.fixture
def house(house_of_aws: House) -> House:
    """The shared house with the emulator's script and journal emptied."""
    house_of_aws.aws.reset()
    return house_of_aws


@pytest.fixture
def two_webs(house: House) -> Webs:
    return Webs(house.urls)
