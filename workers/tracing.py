"""Traces: one a turn, over web process and workers; their ids follow from the turn's own, so that none travels with the work.

A span is a plain record, written when its work has ended; without an exporter none is made. OpenTelemetry is known to
`workers.tracing_otel` alone, which is loaded only when traces are wanted.
"""

import hashlib
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

from workers.errors import NovaError
from workers.plugins import load_object

Value = str | int | float | bool
NANOSECONDS: Final = 1_000_000_000


@dataclass(slots=True)
class Span:
    """Times are nanoseconds since 1970. `is_call`: of an outside service."""

    name: str
    trace_id: int
    span_id: int
    parent_id: int | None
    start_ns: int
    end_ns: int = 0
    attributes: dict[str, Any] = field(default_factory=dict)
    events: list[tuple[int, str]] = field(default_factory=list)
    error_code: str = ""
    is_call: bool = False

    def child(self, name: str, start_ns: int, *, is_call: bool = False) -> "Span":
        return Span(name, self.trace_id, _new_span_id(), self.span_id, start_ns, is_call=is_call)


Export = Callable[[Span], None]

_exporters: list[Export] = []
_current: ContextVar[Span | None] = ContextVar("span", default=None)


def start_tracing(endpoint: str | None, process: str) -> None:
    """Once a process; without an endpoint nothing happens. Raises ConfigurationError when OpenTelemetry is not installed."""
    if endpoint is not None:
        install_exporter(load_object("workers.tracing_otel.make_exporter")(endpoint, process))


def install_exporter(export: Export | None) -> None:
    _exporters[:] = [export] if export is not None else []


def is_tracing() -> bool:
    return bool(_exporters)


def export(span: Span) -> None:
    for exporter in _exporters:
        exporter(span)


def trace_of(turn_id: str) -> int:
    """Both sides compute it: the web process that tells of the turn, and every worker that works for it."""
    return int.from_bytes(hashlib.sha256(turn_id.encode()).digest()[:16], "big")


def root_of(turn_id: str) -> int:
    return int.from_bytes(hashlib.sha256(b"turn:" + turn_id.encode()).digest()[:8], "big")


def turn_span(turn_id: str, start_ns: int) -> Span:
    """The root, which only the web process writes."""
    return Span("turn", trace_of(turn_id), root_of(turn_id), None, start_ns)


@contextmanager
def task_span(name: str, turn_id: str, attributes: Mapping[str, Value]) -> Iterator[None]:
    """A task's share of a turn; spans made inside are its children. Without a turn there is none."""
    if not _exporters or not turn_id:
        yield
        return
    span = Span(name, trace_of(turn_id), _new_span_id(), root_of(turn_id), time.time_ns())
    span.attributes.update(attributes)
    with _written(span):
        yield


@contextmanager
def span(name: str, *, is_call: bool = False) -> Iterator[dict[str, Any]]:
    """Yields the span's attributes, to be filled until it ends."""
    parent = _current.get() if _exporters else None
    if parent is None:
        yield {}
        return
    child = parent.child(name, time.time_ns(), is_call=is_call)
    with _written(child):
        yield child.attributes


@contextmanager
def _written(span: Span) -> Iterator[None]:
    token = _current.set(span)
    try:
        yield
    except NovaError as error:
        span.error_code = error.code
        raise
    finally:
        _current.reset(token)
        span.end_ns = time.time_ns()
        export(span)


def _new_span_id() -> int:
    return secrets.randbits(64) or 1
