"""When a worker's metrics are opened: after its pool has started, so that no child inherits their port."""

import os
import shutil
import tempfile
from typing import Any

from celery import signals

from nova_site.env import Environment
from workers.plugins import load_object

SHARED_FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus_client reads it when it is imported, which must not have happened yet."""


def open_worker_metrics(env: Environment, slots: int, has_children: bool) -> None:
    """Called when the worker's first process starts, before its work is loaded."""
    if not env.nova_metrics_port:
        return
    folder = tempfile.mkdtemp(prefix="nova-metrics-") if has_children else None
    if folder is not None:
        os.environ[SHARED_FOLDER_VARIABLE] = folder

    def serve(**_: Any) -> None:
        port = load_object("workers.metrics_server.MetricsPort")(env.nova_metrics_host, env.nova_metrics_port)
        load_object("workers.worker_slots.serve_worker")(port, slots, folder)

    def clean(**_: Any) -> None:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    signals.worker_ready.connect(serve, weak=False)
    signals.worker_shutdown.connect(clean, weak=False)
