"""Counts and traces what records tell: nothing of it happens on the way of a word, and each record is seen once."""

from collections.abc import Callable
from typing import Any, Final

from sessions import metrics
from sessions.live.replying import KeepRecord, Record
from sessions.turn_traces import trace_turn
from workers import tracing

KNOWN_USAGES: Final = 2_000
_known_usd: dict[str, float] = {}


def measured(keep_record: KeepRecord) -> KeepRecord:
    """The same, and each record is counted, whether it could be kept or not."""

    async def keep(record: Record) -> None:
        try:
            await keep_record(record)
        finally:
            count_record(record)

    return keep


def count_record(record: Record) -> None:
    """Any record may bring along what was used since the one before."""
    for usage in record.get("usages", ()):
        _count_usage(usage)
    if record.get("kind") == "turn":
        _count_turn(record)
    elif record.get("kind") == "decisions":
        for line in record["lines"]:
            for decision in line["decisions"]:
                _count_decision(decision)


def _count_turn(record: Record) -> None:
    metrics.observe_delays(record["delays"])
    metrics.REPLIES.of(record["status"]).inc()
    if record["error_code"]:
        metrics.count_failure(record["error_code"])
    if tracing.is_tracing():
        trace_turn(record)


def _count_usage(usage: dict[str, Any]) -> None:
    """One that is told again has grown: only what has been added counts."""
    usage_id, usd = usage["usage_id"], float(usage.get("cost_usd", 0))
    metrics.add_cost(usage["service"], usd - _known_usd.pop(usage_id, 0.0))
    _known_usd[usage_id] = usd
    if len(_known_usd) > KNOWN_USAGES:
        del _known_usd[next(iter(_known_usd))]


def _count_decision(decision: dict[str, Any]) -> None:
    count = _COUNTED.get(decision["is"])
    if count is not None:
        count(decision.get("reason", ""))


def _count_resume(reason: str) -> None:
    if reason in metrics.FALSE_INTERRUPTIONS:
        metrics.FALSE_INTERRUPTIONS_TOTAL.of(reason).inc()


_COUNTED: Final[dict[str, Callable[[str], None]]] = {
    "EndTurn": lambda reason: metrics.TURNS.of(reason).inc(),
    "DropTurn": lambda reason: metrics.TURNS_DROPPED.of(reason).inc(),
    "Interrupt": lambda reason: metrics.INTERRUPTIONS_TOTAL.of(reason).inc(),
    "HoldReply": lambda _: metrics.HOLDS.inc(),
    "ResumeReply": _count_resume,
    "Speculate": lambda _: metrics.SPECULATIONS_TOTAL.of("begun").inc(),
    "KeepSpeculation": lambda _: metrics.SPECULATIONS_TOTAL.of("kept").inc(),
    "DropSpeculation": lambda _: metrics.SPECULATIONS_TOTAL.of("dropped").inc(),
}
