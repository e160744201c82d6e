"""A process's metrics at a port of their own, beside its work: opened at its start, answered by a thread.

All metrics at once take 4 ms to write, which every voice of the process would wait; so a thread writes one family at a
time and lets the others run in between.
"""

import socketserver
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from socketserver import ThreadingMixIn
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

logger = structlog.get_logger(__name__)
PORTS_TRIED: Final = 16
READ_SECONDS: Final = 5.0
BREATH_SECONDS: Final = 0.000_2


@dataclass(frozen=True, slots=True)
class MetricsPort:
    """`first` is the port to be tried first; 0 means that no metrics are wanted."""

    host: str
    first: int


@dataclass(frozen=True, slots=True)
class _Family(Collector):
    family: Metric

    def collect(self) -> Iterable[Metric]:
        return (self.family,)


def written(registry: CollectorRegistry) -> Iterator[bytes]:
    """The text of all metrics, family by family, with a breath after each."""
    for family in registry.collect():
        yield generate_latest(_Family(family))
        time.sleep(BREATH_SECONDS)


def make_application(registry: CollectorRegistry) -> Any:
    """WSGI; every path is the same page."""

    def application(_: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", CONTENT_TYPE_LATEST)])
        return written(registry)

    return application


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def server_bind(self) -> None:
        """Without the look-up of our own name, which can take seconds in a cluster."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()


class _Handler(WSGIRequestHandler):
    timeout = READ_SECONDS

    def log_message(self, format: str, *arguments: object) -> None:
        """A scrape is no event."""


def serve_metrics(port: MetricsPort, registry: CollectorRegistry = REGISTRY) -> int | None:
    """Returns the port: the first free one from the wanted on, so that the processes of one machine need no number each.

    None when no metrics are wanted, or none is free: a process works without being looked at.
    """
    if not port.first:
        return None
    for number in range(port.first, min(port.first + PORTS_TRIED, 65_536)):
        try:
            server = _Server((port.host, number), _Handler)
        except OSError:
            continue
        server.set_app(make_application(registry))
        threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
        logger.info("metrics_served", port=number)
        return number
    logger.warning("metrics_not_served", first_port=port.first, tried=PORTS_TRIED)
    return None
