"""Measures every task of this process from outside: its age when it begins, and how long it takes."""

import time
from typing import Any

from celery import signals

from workers import metrics
from workers.streams.keys import PUBLISHED_AT_HEADER

_begun: dict[str, float] = {}


def measure_tasks() -> None:
    """Once a process."""
    signals.task_prerun.connect(_begin)
    signals.task_postrun.connect(_end)


def _begin(task_id: str, task: Any, **_: Any) -> None:
    _begun[task_id] = time.perf_counter()
    published_at = getattr(task.request, PUBLISHED_AT_HEADER, None)
    if published_at is not None:
        age_seconds = max(0.0, time.time() - float(published_at))  # two machines' clocks may differ
        metrics.TASK_QUEUE_SECONDS.of(short_name(task.name)).observe(age_seconds)


def _end(task_id: str, task: Any, **_: Any) -> None:
    begun_at = _begun.pop(task_id, None)
    if begun_at is not None:
        metrics.TASK_SECONDS.of(short_name(task.name)).observe(time.perf_counter() - begun_at)


def short_name(task_name: str) -> str:
    return task_name.rpartition(".")[2]
