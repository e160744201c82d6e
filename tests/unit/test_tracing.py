"""Traces: one a turn over both sides, by ids that follow from the turn; nothing is made or imported when nobody wants them."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import SpanKind
from opentelemetry.trace.status import StatusCode

from sessions.record_meter import count_record
from tests.span_collector import SpanCollector
from workers import tracing
from workers.errors import ConfigurationError, ProviderTimeoutError
from workers.language_model.contract import ModelFinished, ModelOptions, ModelRequest, ModelUsage
from workers.language_model.local import LocalResponder
from workers.language_model.span_attributes import answered_attributes, asked_attributes
from workers.tracing import Span
from workers.tracing_otel import to_readable

ROOT = Path(__file__).resolve().parents[2]
TURN = {
    "kind": "turn",
    "session_id": "sess_1",
    "turn_id": "item_1",
    "reply_id": "resp_1",
    "status": "completed",
    "error_code": "",
    "user_text": "a word nobody may read",
    "speculations": 1,
    "started_at": 100.0,
    "paused_at": 101.6,
    "ended_at": 105.0,
    "delays": {"end_of_turn": 400.0, "first_sentence": 210.0, "first_audio": 300.0},
}


@pytest.fixture
def spans() -> Iterator[list[Span]]:
    made: list[Span] = []
    tracing.install_exporter(made.append)
    yield made
    tracing.install_exporter(None)


def work_for(turn_id: str) -> None:
    """As a worker does: a task, a call of the model in it, a tool in the next round."""
    with tracing.task_span("generate_reply", turn_id, {"nova.reply.id": "resp_1"}):
        with tracing.span("chat nova-pro", is_call=True) as told:
            told["gen_ai.usage.input_tokens"] = 12
        with tracing.span("execute_tool current_time"):
            pass


def test_both_sides_of_a_turn_make_one_trace(spans: list[Span]) -> None:
    count_record(TURN)
    work_for("item_1")
    assert {span.trace_id for span in spans} == {tracing.trace_of("item_1")}
    (root,) = [span for span in spans if span.parent_id is None]
    known = {span.span_id for span in spans}
    assert root.name == "turn"
    assert all(span.parent_id in known for span in spans if span is not root)


def test_another_turn_is_another_trace(spans: list[Span]) -> None:
    work_for("item_1")
    work_for("item_2")
    assert len({span.trace_id for span in spans}) == 2


def test_calls_inside_a_task_are_its_children(spans: list[Span]) -> None:
    work_for("item_1")
    chat, tool, task = spans
    assert [chat.parent_id, tool.parent_id] == [task.span_id, task.span_id]
    assert task.parent_id == tracing.root_of("item_1")
    assert chat.is_call
    assert not tool.is_call


def test_the_turn_is_split_where_it_ended(spans: list[Span]) -> None:
    count_record(TURN)
    times = {span.name: (span.start_ns / 1e9, span.end_ns / 1e9) for span in spans}
    assert times == {"listening": (100.0, 102.0), "reply": (102.0, 105.0), "turn": (100.0, 105.0)}


def test_the_steps_of_the_reply_are_its_events(spans: list[Span]) -> None:
    count_record(TURN)
    (reply,) = [span for span in spans if span.name == "reply"]
    assert [(name, at_ns / 1e9) for at_ns, name in reply.events] == [("first_sentence", 102.21), ("first_audio", 102.3)]


def test_no_span_holds_what_was_said(spans: list[Span]) -> None:
    count_record(TURN)
    assert "nobody may read" not in repr(spans)


def test_a_fault_is_told_by_its_code_and_passes_on(spans: list[Span]) -> None:
    with pytest.raises(ProviderTimeoutError), tracing.task_span("generate_reply", "item_1", {}):
        raise ProviderTimeoutError("too slow")
    assert spans[0].error_code == "provider_timeout"


def test_nothing_is_made_when_nobody_wants_it() -> None:
    with tracing.task_span("generate_reply", "item_1", {}), tracing.span("chat") as told:
        assert told == {}
    assert not tracing.is_tracing()


def test_a_model_call_is_told_by_the_genai_names() -> None:
    options = ModelOptions("us.amazon.nova-pro-v1:0", max_tokens=99)
    asked = asked_attributes(LocalResponder.__new__(LocalResponder), ModelRequest("", (), options))
    answered = answered_attributes(ModelFinished("end_turn", ModelUsage(12, 3), "us.amazon.nova-lite-v1:0"))
    assert asked["gen_ai.operation.name"] == "chat"
    assert asked["gen_ai.provider.name"] == "local"
    assert asked["gen_ai.request.model"] == "us.amazon.nova-pro-v1:0"
    assert answered["gen_ai.response.model"] == "us.amazon.nova-lite-v1:0"
    assert (answered["gen_ai.usage.input_tokens"], answered["gen_ai.usage.output_tokens"]) == (12, 3)


def test_opentelemetry_gets_the_same_span() -> None:
    span = Span("chat nova-pro", 1, 2, 3, 10, 20, {"a": 1}, [(15, "first")], "provider_timeout", is_call=True)
    told = to_readable(span, Resource({}))
    assert (told.name, told.start_time, told.end_time, told.kind) == ("chat nova-pro", 10, 20, SpanKind.CLIENT)
    assert told.parent is not None
    assert (told.get_span_context().trace_id, told.parent.span_id) == (1, 3)  # type: ignore[union-attr]
    assert told.status.status_code is StatusCode.ERROR
    assert dict(told.attributes or {}) == {"a": 1, "error.type": "provider_timeout"}
    assert [(event.name, event.timestamp) for event in told.events] == [("first", 15)]


def test_opentelemetry_is_not_loaded_when_no_address_is_set() -> None:
    """Ours is traces; redis-py loads OpenTelemetry's metrics by itself wherever they are installed."""
    code = (
        "import sys, workers.work, sessions.record_meter, workers.tracing; workers.tracing.start_tracing(None, 'web'); "
        "print([name for name in sys.modules if name == 'workers.tracing_otel' or 'opentelemetry.sdk.trace' in name"
        " or 'opentelemetry.exporter' in name])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr


def test_an_address_without_the_packages_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "workers.tracing_otel", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(ConfigurationError, match="tracing"):
        tracing.start_tracing("http://127.0.0.1:4318/v1/traces", "web")


def test_spans_reach_a_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    with SpanCollector() as collector:
        tracing.start_tracing(collector.endpoint, "talking")
        try:
            work_for("item_1")
            assert collector.has_come.wait(10)
        finally:
            tracing.install_exporter(None)
    assert {span.name for span in collector.spans} == {"generate_reply", "chat nova-pro", "execute_tool current_time"}
    assert {span.trace_id for span in collector.spans} == {f"{tracing.trace_of('item_1'):032x}"}
    assert {span.service for span in collector.spans} == {"nova-talking"}
