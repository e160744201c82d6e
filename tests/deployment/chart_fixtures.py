"""Shared by the deployment tests: one Helm process, one chart whose renderings are kept, and the environment they need."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deployment import python312
from tests.deployment.chart import Chart, HelmProcess

# Before the tests import them: a failed check is to show its values.
for part in ("workloads", "safety", "running"):
    pytest.register_assert_rewrite(f"tests.deployment.items_of_{part}")


@pytest.fixture(scope="session")
def python_3_12() -> Path:
    """Skips with the reason where there is none; under CI=true that raises."""
    found = python312.environment()
    if found is None:
        pytest.skip(f"NOT RUN: {python312.LEFT_OUT}: no python3.12")
    return found


@pytest.fixture(scope="session")
def helm(python_3_12: Path) -> Iterator[HelmProcess]:
    process = HelmProcess(python_3_12)
    yield process
    process.close()


@pytest.fixture(scope="session")
def chart(helm: HelmProcess) -> Chart:
    return Chart(helm)
