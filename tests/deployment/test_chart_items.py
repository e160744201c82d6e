"""Each of the 36 items of a chart for EKS holds, in what real Helm renders."""

import pytest

from tests.deployment.chart import Chart
from tests.deployment.chart_items import ITEMS

pytestmark = [pytest.mark.deployment, pytest.mark.timeout(300)]


def test_the_list_is_whole() -> None:
    assert sorted(ITEMS) == list(range(1, 37))


@pytest.mark.parametrize("number", ITEMS, ids=[f"{number:02}_{check.__name__}" for number, check in ITEMS.items()])
def test_the_chart_has_item(number: int, chart: Chart) -> None:
    ITEMS[number](chart)
