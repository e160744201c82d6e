"""One house with the local providers for all tests of the whole page."""

from collections.abc import Iterator

import pytest

from tests.house import House


@pytest.fixture(scope="package")
def house() -> Iterator[House]:
    with House("local", settings={"NOVA_AUTH": "open"}) as house:
        yield house
