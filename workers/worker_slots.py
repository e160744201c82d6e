"""How busy a worker is, as its first process knows it; serves that process's metrics and, of a prefork pool, its children's.

Children write theirs into shared files, as prometheus_client has it for processes that no port leads to.
"""

from collections.abc import Iterable
from typing import Final

from celery.worker import state
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from workers.metric_labels import TASKS, bounded
from workers.metrics_server import MetricsPort, serve_metrics
from workers.task_meter import short_name

SLOTS: Final = "nova_worker_slots"
RUNNING: Final = "nova_worker_tasks_running"


class WorkerSlots(Collector):
    """Nothing is counted up and down here, so a child that dies leaves no trace."""

    def __init__(self, slots: int) -> None:
        self._slots = slots

    def collect(self) -> Iterable[GaugeMetricFamily]:
        slots = GaugeMetricFamily(SLOTS, "Tasks that the worker can run at once")
        slots.add_metric([], self._slots)
        running = GaugeMetricFamily(RUNNING, "Tasks that run now", labels=["task"])
        names = [bounded(short_name(str(request.name)), TASKS) for request in list(state.active_requests)]
        for name in sorted({*TASKS, *names}):
            running.add_metric([name], names.count(name))
        return [slots, running]


def serve_worker(port: MetricsPort, slots: int, shared_folder: str | None) -> None:
    """`shared_folder`: where the children of a prefork pool write theirs."""
    registry = REGISTRY
    if shared_folder is not None:
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=shared_folder)  # type: ignore[no-untyped-call]
    registry.register(WorkerSlots(slots))
    serve_metrics(port, registry)
