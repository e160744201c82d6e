"""What measuring costs: the time of one observation of each kind, of a log line's ids, and of a scrape."""

import time
from collections.abc import Callable, Iterator

from prometheus_client import REGISTRY

import sessions.metrics
import workers.metrics
from sessions.record_meter import count_record
from tests.benchmarks.report import Table, load_note, percentile
from workers import tracing
from workers.log_context import LogIds, working_for
from workers.metrics_server import written

ROUNDS, CALLS = 200, 50
SCRAPES = 30
IDS = LogIds("session", "turn", "reply")
TURN = {
    "kind": "turn",
    "status": "completed",
    "error_code": "",
    "delays": {
        "end_of_turn": 480.0,
        "first_sentence": 210.0,
        "speech_asked": 211.0,
        "first_audio": 300.0,
        "model_first_token": 190.0,
        "voice_first_byte": 80.0,
    },
}
DECISIONS = {
    "kind": "decisions",
    "lines": [{"decisions": [{"is": name, "reason": "voice"}]} for name in ("HoldReply", "Interrupt", "EndTurn")],
}


def _work_for_session() -> None:
    with working_for(IDS):
        pass


def _trace_nothing() -> None:
    with tracing.span("chat"):
        pass


OBSERVATIONS: dict[str, Callable[[], None]] = {
    "a histogram by stage": lambda: sessions.metrics.TURN_DELAY_SECONDS.of("first_audio").observe(0.3),
    "a counter by code": lambda: workers.metrics.count_provider_error("polly", "provider_timeout"),
    "a reply of the model": lambda: workers.metrics.count_answer("us.amazon.nova-pro-v1:0", "end_turn", 190.0, 900, 40),
    "a finished turn's record": lambda: count_record(TURN),
    "three decisions of a turn": lambda: count_record(DECISIONS),
    "the ids of log lines": _work_for_session,
    "a span while tracing is off": _trace_nothing,
}


def measure() -> Table:
    table = Table(f"measuring {load_note()}", ("microseconds", "p50", "p95", "n", "goal"))
    for name, observe in OBSERVATIONS.items():
        times_us = [_time_us(observe) for _ in range(ROUNDS)]
        table.add(name, percentile(times_us, 50), percentile(times_us, 95), str(ROUNDS * CALLS), "p50 <= 20")
    series = sum(len(family.samples) for family in REGISTRY.collect())
    holds_us = [hold for _ in range(SCRAPES) for hold in _holds_us()]
    name = f"one family of a scrape ({series} series)"
    table.add(name, percentile(holds_us, 50), percentile(holds_us, 95), str(len(holds_us)), "p95 <= 500")
    return table


def _time_us(observe: Callable[[], None]) -> float:
    before_ns = time.perf_counter_ns()
    for _ in range(CALLS):
        observe()
    return (time.perf_counter_ns() - before_ns) / 1_000 / CALLS


def _holds_us() -> Iterator[float]:
    """How long the interpreter is held for each; in between other threads and greenlets run."""
    pages = written(REGISTRY)
    while True:
        before_ns = time.thread_time_ns()
        if next(pages, None) is None:
            return
        yield (time.thread_time_ns() - before_ns) / 1_000
