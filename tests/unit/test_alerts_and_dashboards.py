"""What is shipped to Grafana and Prometheus asks only for figures that exist, in PromQL that parses."""

import json
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from sessions import metrics as web
from tests.metrics_table import Described, web_metrics, worker_metrics
from workers import metric_labels

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "helm" / "nova-realtime"
PAGE = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
SCRAPED = {"instance", "job", "pod", "namespace"}
"""Labels that Prometheus adds."""
SEVERITIES = {"info", "warning", "critical"}
SERIES: dict[str, Described] = {
    name: metric for metric in (*web_metrics(), *worker_metrics()) for name in metric.series
}
WORDS = {
    word
    for module in (web, metric_labels)
    for value in vars(module).values()
    if isinstance(value, tuple | list)
    for word in value
    if isinstance(word, str)
}


def rules() -> list[dict[str, Any]]:
    found = yaml.safe_load((CHART / "alerts" / "nova-realtime.yaml").read_text(encoding="utf-8"))
    return [rule for group in found["groups"] for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CHART / "dashboards" / "nova-realtime.json").read_text(encoding="utf-8"))
    return found


def panels() -> list[dict[str, Any]]:
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def expressions() -> list[Any]:
    alerts = [pytest.param(rule["expr"], id=rule["alert"]) for rule in rules()]
    queries = [
        pytest.param(target["expr"].replace("$__rate_interval", "5m"), id=f"{panel['title']} {target['refId']}")
        for panel in panels()
        for target in panel["targets"]
    ]
    return alerts + queries


def selectors(expression: str) -> list[Any]:
    found: list[Any] = []

    def look(node: Any) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            found.append(node)

    promql_parser.walk(promql_parser.parse(expression), look)
    return found


def grouped_by(expression: str) -> set[str]:
    found: set[str] = set()

    def look(node: Any) -> None:
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
            found.update(node.modifier.labels)

    promql_parser.walk(promql_parser.parse(expression), look)
    return found


@pytest.mark.parametrize("expression", expressions())
def test_every_series_asked_for_exists(expression: str) -> None:
    asked = [selector.name for selector in selectors(expression)]
    assert asked
    assert [name for name in asked if name not in SERIES] == []


@pytest.mark.parametrize("expression", expressions())
def test_every_label_asked_for_exists(expression: str) -> None:
    asked = selectors(expression)
    labels = {label for selector in asked for label in SERIES[selector.name].labels} | {"le"} | SCRAPED
    matched = {matcher.name for selector in asked for matcher in selector.matchers.matchers}
    assert (matched | grouped_by(expression)) - labels == set()


@pytest.mark.parametrize("expression", expressions())
def test_every_value_asked_for_can_occur(expression: str) -> None:
    values = {matcher.value for selector in selectors(expression) for matcher in selector.matchers.matchers}
    assert values - WORDS == set()


def test_every_alert_says_what_to_do_on_the_page() -> None:
    assert [rule["alert"] for rule in rules() if f"`{rule['alert']}`" not in PAGE] == []


def test_every_alert_has_a_severity_and_a_sentence() -> None:
    assert {rule["labels"]["severity"] for rule in rules()} <= SEVERITIES
    assert all(rule["annotations"]["summary"] for rule in rules())


def test_the_chart_item_33_is_watched() -> None:
    """reliability.md: failed turns, takeovers, reopened streams, throttles, queue age, loop lag, quota, cost."""
    watched = {selector.name for rule in rules() for selector in selectors(rule["expr"])}
    assert {
        "nova_replies_total",
        "nova_sessions_closed_total",
        "nova_speech_streams_opened_total",
        "nova_provider_errors_total",
        "nova_task_queue_seconds_bucket",
        "nova_web_loop_lag_seconds_bucket",
        "nova_quota_used",
        "nova_cost_usd_total",
    } <= watched


def test_every_metric_is_on_the_dashboard() -> None:
    shown = {selector.name for case in expressions() for selector in selectors(str(case.values[0]))}
    missing = [metric.name for metric in (*web_metrics(), *worker_metrics()) if not metric.series & shown]
    assert missing == []


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells


def test_panel_ids_are_unique() -> None:
    ids = [panel["id"] for panel in dashboard()["panels"]]
    assert len(ids) == len(set(ids))
