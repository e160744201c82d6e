"""Values that cannot work, or must not in production, are refused before anything is installed, with words that help."""

import pytest
import yaml

from tests.deployment.chart import CHART, Chart
from tests.deployment.chart_refusals import BY_GUARD, BY_SCHEMA

pytestmark = [pytest.mark.deployment, pytest.mark.timeout(120)]


@pytest.mark.parametrize("name", BY_SCHEMA)
def test_the_schema_refuses_and_names_the_value(name: str, chart: Chart) -> None:
    values, place = BY_SCHEMA[name]
    error = chart.install(values).error or "it was installed"
    assert "values don't meet the specifications of the schema" in error
    assert place in error


@pytest.mark.parametrize("name", BY_GUARD)
def test_a_guard_refuses_and_says_what_to_do(name: str, chart: Chart) -> None:
    values, words = BY_GUARD[name]
    assert words in (chart.install(values).error or "it was installed")


def test_there_are_enough_of_both() -> None:
    assert len(BY_SCHEMA) >= 30
    assert len(BY_GUARD) >= 10


def test_the_file_for_eks_is_refused_until_its_places_are_filled_in(chart: Chart) -> None:
    values = yaml.safe_load((CHART / "values-eks.yaml").read_text(encoding="utf-8"))
    error = chart.install(values).error or "it was installed"
    for place in ("/image/repository", "/redis/host", "/database/host", "/ingress/host"):
        assert f"'{place}'" in error
