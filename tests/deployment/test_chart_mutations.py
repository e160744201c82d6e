"""The checks are worth something: for each item, a chart with that item broken is refused by the item's check."""

from pathlib import Path

import pytest

from tests.deployment.chart import Chart, HelmProcess
from tests.deployment.chart_items import ITEMS
from tests.deployment.chart_mutations import MUTATIONS
from tests.deployment.chart_values import MINIMAL

pytestmark = [pytest.mark.deployment, pytest.mark.timeout(300)]


def test_every_item_has_its_mutation() -> None:
    assert sorted(MUTATIONS) == sorted(ITEMS)


@pytest.mark.parametrize("number", MUTATIONS, ids=[f"{number:02}_{ITEMS[number].__name__}" for number in MUTATIONS])
def test_a_chart_with_a_broken_item_is_noticed(number: int, helm: HelmProcess, tmp_path: Path) -> None:
    """What can no longer be installed at all would be noticed by everything, and prove nothing."""
    mutated = Chart(helm, MUTATIONS[number].apply(tmp_path))
    assert mutated.install(MINIMAL).error is None
    with pytest.raises(AssertionError):
        ITEMS[number](mutated)
