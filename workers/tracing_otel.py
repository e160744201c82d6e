"""Spans to an OpenTelemetry collector; the only module that knows OpenTelemetry, loaded when an address is set."""

from collections.abc import Sequence
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.status import Status, StatusCode

from workers.tracing import Export, Span

EXPORT_SECONDS: Final = 5
_SCOPE: Final = InstrumentationScope("nova-realtime")
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)


def make_exporter(endpoint: str, process: str) -> Export:
    """Sends in the background; what a collector that is away does not take is dropped."""
    resource = Resource.create({"service.name": f"nova-{process}", "service.namespace": "nova-realtime"})
    processor = BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, timeout=EXPORT_SECONDS))

    def export(span: Span) -> None:
        processor.on_end(to_readable(span, resource))

    return export


def to_readable(span: Span, resource: Resource) -> ReadableSpan:
    parent = _context(span.trace_id, span.parent_id) if span.parent_id is not None else None
    status = Status(StatusCode.ERROR, span.error_code) if span.error_code else Status(StatusCode.UNSET)
    if span.error_code:
        span.attributes["error.type"] = span.error_code
    return ReadableSpan(
        name=span.name,
        context=_context(span.trace_id, span.span_id),
        parent=parent,
        resource=resource,
        attributes=span.attributes,
        events=_events(span),
        kind=SpanKind.CLIENT if span.is_call else SpanKind.INTERNAL,
        status=status,
        start_time=span.start_ns,
        end_time=span.end_ns,
        instrumentation_scope=_SCOPE,
    )


def _context(trace_id: int, span_id: int) -> SpanContext:
    return SpanContext(trace_id, span_id, is_remote=False, trace_flags=_SAMPLED)


def _events(span: Span) -> Sequence[Event]:
    return [Event(name, timestamp=at_ns) for at_ns, name in span.events]
