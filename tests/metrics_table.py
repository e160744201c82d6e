"""`python -m tests.metrics_table`: prints the tables of docs/metrics.md, made from the metrics that the code defines."""

from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType

from prometheus_client.metrics import MetricWrapperBase

import sessions.metrics
import workers.metrics
from workers.metric_labels import Bounded
from workers.worker_slots import WorkerSlots

HEAD = ["| metric | type | labels | meaning |", "|---|---|---|---|"]


@dataclass(frozen=True, slots=True)
class Described:
    """`name` is the family's; a counter's series end in `_total`, a histogram's in `_bucket`, `_sum` and `_count`."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str

    @property
    def series(self) -> set[str]:
        if self.kind == "counter":
            return {f"{self.name}_total"}
        return (
            {f"{self.name}_{part}" for part in ("bucket", "sum", "count")} if self.kind == "histogram" else {self.name}
        )

    @property
    def shown_name(self) -> str:
        return f"{self.name}_total" if self.kind == "counter" else self.name


def metrics_of(module: ModuleType) -> Iterator[MetricWrapperBase]:
    for value in vars(module).values():
        metric = value.metric if isinstance(value, Bounded) else value
        if isinstance(metric, MetricWrapperBase):
            yield metric


def described(module: ModuleType) -> list[Described]:
    found = []
    for metric in metrics_of(module):
        (family,) = metric.describe()
        found.append(Described(family.name, family.type, tuple(metric._labelnames), family.documentation))
    return found


def web_metrics() -> list[Described]:
    return described(sessions.metrics)


def worker_metrics() -> list[Described]:
    slots = [
        Described(family.name, family.type, ("task",) if "running" in family.name else (), family.documentation)
        for family in WorkerSlots(0).collect()
    ]
    return described(workers.metrics) + slots


def metrics_table(found: list[Described]) -> str:
    return "\n".join([*HEAD, *(_row(metric) for metric in found)])


def _row(metric: Described) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels) or "-"
    return f"| `{metric.shown_name}` | {metric.kind} | {labels} | {metric.meaning} |"


if __name__ == "__main__":
    print(metrics_table(web_metrics()), metrics_table(worker_metrics()), sep="\n\n")
