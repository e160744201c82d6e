"""The whole system as the proof needs it: on ports and a database of its own, every provider Amazon's, its metrics read."""

import os
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from sessions.management.redis_server import find_redis_server, free_port
from sessions.management.supervisor import Program, Supervisor
from workers.errors import ConfigurationError

PROCESSES: Final = 3
READ_SECONDS: Final = 5.0
READY_LINE: Final = "Nova Realtime is ready"
FOREIGN: Final = ("REDIS_URL", "CELERY_BROKER_URL", "NOVA_SPEECH_TO_TEXT", "NOVA_LANGUAGE_MODEL", "NOVA_TEXT_TO_SPEECH")
Figures = dict[str, float]
"""Values of series by `name{label="value",...}`, summed over the processes."""


class ProvenSystem:
    """`url` is the websocket's address."""

    def __init__(self, port: int, metrics_port: int) -> None:
        self.url = f"ws://127.0.0.1:{port}/v1/realtime"
        self._metrics_port = metrics_port

    def figures(self) -> Figures:
        """Of each process that answers; the one that looks at pictures may have none."""
        total: Figures = {}
        for number in range(PROCESSES):
            _add_page(total, f"http://127.0.0.1:{self._metrics_port + number}/metrics")
        return total


def check_redis(redis_url: str | None) -> None:
    """Raises ConfigurationError. The environment's own REDIS_URL is never used: there a deployment's workers wait for tasks."""
    if redis_url is None:
        try:
            find_redis_server()
        except ConfigurationError as error:
            raise ConfigurationError(
                "no redis-server is installed here: name a Redis database that nothing else uses with --redis-url"
            ) from error


@contextmanager
def own_system(manage: Path, redis_url: str | None, say: Callable[[str], None]) -> Iterator[ProvenSystem]:
    """On the Redis that is named, else one of its own. Raises GivenUpError when it does not start. It leaves no files."""
    port, metrics_port = free_port(), free_port()
    with tempfile.TemporaryDirectory(prefix="nova-proof-") as folder:
        environment = _environment(Path(folder), port, metrics_port)
        if redis_url is not None:
            environment["REDIS_URL"] = redis_url
        supervisor = Supervisor(lambda _, line: say(line))
        try:
            command = [sys.executable, str(manage), "run_local", "--folder", folder]
            supervisor.start(Program("system", command, environment, READY_LINE, is_shown=False))
            supervisor.wait_until_ready()
            yield ProvenSystem(port, metrics_port)
        finally:
            supervisor.stop()


def _environment(folder: Path, port: int, metrics_port: int) -> dict[str, str]:
    """The user's own, so that region, model, voice and credentials are those to be proved."""
    inherited = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    own = {
        "NOVA_PROVIDERS": "aws",
        "NOVA_AUTH": "open",
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "WEB_PROCESSES": "1",
        "DATABASE_URL": f"sqlite:///{folder}/nova.sqlite3",
        "NOVA_METRICS_HOST": "127.0.0.1",
        "NOVA_METRICS_PORT": str(metrics_port),
        "NOVA_LOG_FORMAT": "json",
    }
    return {**inherited, **own}


def _add_page(figures: Figures, url: str) -> None:
    try:
        with urllib.request.urlopen(url, timeout=READ_SECONDS) as page:  # noqa: S310 - our own processes
            text = page.read().decode()
    except OSError:
        return
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            series = f"{sample.name}{{{labels}}}" if labels else sample.name
            figures[series] = figures.get(series, 0.0) + sample.value
