"""Which metrics there are, by the code's own registries, and which ones an expression of PromQL asks for."""

import functools
import re

import promql_parser
from prometheus_client import REGISTRY

import sessions.metrics  # noqa: F401 - registers the web's
import workers.metrics  # noqa: F401 - registers the workers'
from workers.worker_slots import WorkerSlots

SUFFIXES = ("_bucket", "_sum", "_count", "_created")
NAME = re.compile(r"\bnova_\w+")


@functools.cache
def known_metrics() -> frozenset[str]:
    """Every name that a scrape can hold."""
    families = [*REGISTRY.collect(), *WorkerSlots(1).collect()]
    names = {family.name for family in families if family.name.startswith("nova_")}
    samples = {sample.name for family in families for sample in family.samples}
    histograms = {f"{family.name}{suffix}" for family in families if family.type == "histogram" for suffix in SUFFIXES}
    counters = {f"{family.name}_total" for family in families if family.type == "counter"}
    return frozenset(names | samples | histograms | counters)


def metrics_of(expression: str) -> set[str]:
    """Raises ValueError when it is no PromQL. Grafana's variables stand for a duration or a label's value."""
    plain = re.sub(r"\$__?\w+|\$\{\w+\}", "5m", expression)
    promql_parser.parse(plain)
    return set(NAME.findall(plain))
