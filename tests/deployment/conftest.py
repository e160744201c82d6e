"""Fixtures of deployment tests: the image, built once in a run, and a house of its containers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deployment.chart_fixtures import chart, helm, python_3_12
from tests.deployment.clean_root import need_roots
from tests.deployment.containers import ContainerHouse
from tests.deployment.image_build import Builder, Image
from tests.postgres import postgres_url

__all__ = ["chart", "helm", "postgres_url", "python_3_12"]


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """Takes minutes where no base is kept from before: packages are fetched."""
    need_roots()
    return Builder(tmp_path_factory.mktemp("image")).build()


@pytest.fixture(scope="package")
def containers(image: Image, postgres_url: str) -> Iterator[ContainerHouse]:
    with ContainerHouse(image, postgres_url) as house:
        yield house


@pytest.fixture(scope="session")
def dockerfile_text() -> str:
    return (Path(__file__).resolve().parents[2] / "Dockerfile").read_text()
