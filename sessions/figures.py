"""The figures of a span of time, for the dashboard and for alerts: a bounded number of queries, whatever has happened."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db.models import Case, Count, F, Func, IntegerField, Q, QuerySet, Sum, Value, When
from django.db.models.functions import Cast, Coalesce

from sessions.models import DailyUsage, Session, SessionState, Turn

PERCENTS = (50, 95, 99)
BUCKETS = 48
TURNS_READ = 200_000
"""The newest; percentiles of a span with more turns are those of these, and the dashboard says so."""
RECENT_DELAYS = 10_000
SLOWEST_SHOWN = 8
ERROR, CUT = 2, 1
UNKNOWN_MS = -1.0
GROUPS_SHOWN = 20
RECENT = timedelta(minutes=5)
SQLITE_EPOCH = "CAST(ROUND((julianday(%(expressions)s) - 2440587.5) * 86400) AS INTEGER)"
"""No percent sign: Django's own log of queries would take it for a place to fill."""
Percentiles = dict[str, float | None]
Values = npt.NDArray[Any]


class Epoch(Func):
    """Whole seconds since 1970 of a time."""

    output_field = IntegerField()

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, template=SQLITE_EPOCH, **extra)

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, template="FLOOR(EXTRACT(EPOCH FROM %(expressions)s))::bigint", **extra)


@dataclass(frozen=True, slots=True)
class Span:
    """`graph_name` empty: all graphs."""

    start: datetime
    end: datetime
    graph_name: str = ""

    @property
    def bucket_seconds(self) -> int:
        return max(1, math.ceil((self.end - self.start).total_seconds() / BUCKETS))

    @property
    def labels(self) -> list[str]:
        step = timedelta(seconds=self.bucket_seconds)
        return [(self.start + step * number).isoformat() for number in range(BUCKETS)]


@dataclass(slots=True)
class Series:
    labels: list[str]
    turns: list[int] = field(default_factory=lambda: [0] * BUCKETS)
    errors: list[int] = field(default_factory=lambda: [0] * BUCKETS)
    interruptions: list[int] = field(default_factory=lambda: [0] * BUCKETS)
    started: list[int] = field(default_factory=lambda: [0] * BUCKETS)
    ended: list[int] = field(default_factory=lambda: [0] * BUCKETS)
    p50: list[float | None] = field(default_factory=lambda: [None] * BUCKETS)
    p95: list[float | None] = field(default_factory=lambda: [None] * BUCKETS)


def percentiles(values: Sequence[float] | Values) -> Percentiles:
    """By nearest rank: each is a delay that really was."""
    if not len(values):
        return {f"p{percent}": None for percent in PERCENTS}
    found = np.percentile(np.asarray(values, dtype=float), PERCENTS, method="inverted_cdf")
    return {f"p{percent}": round(float(value), 1) for percent, value in zip(PERCENTS, found, strict=True)}


def dashboard_figures(span: Span, now: datetime) -> dict[str, Any]:
    """Everything of a dashboard that comes from rows; ten queries."""
    series = Series(span.labels)
    read = _read_turns(span)
    is_capped = len(read.places) == TURNS_READ
    by_graph = _count_in_database(span, series) if is_capped else _count_read(read, series)
    delays = _measure_delays(read, series, by_graph)
    starts, ends = _count_sessions(span, series)
    costs = _costs(span, now)
    for graph_name, cost_usd in costs.by_graph.items():
        by_graph.setdefault(graph_name, _Graph(graph_name)).cost_usd = cost_usd
    turns = sum(series.turns)
    return {
        "now": _now(span, now),
        "totals": {
            "turns": turns,
            "sessions_started": starts,
            "sessions_ended": ends,
            "errors": sum(series.errors),
            "interruptions": sum(series.interruptions),
            "error_rate": _rate(sum(series.errors), turns),
            "interruption_rate": _rate(sum(series.interruptions), turns),
            "delay": percentiles(delays),
            "delay_count": len(delays),
            "delays_are_capped": is_capped,
            "cost_usd": round(costs.span_usd, 6),
            "cost_today_usd": round(costs.today_usd, 6),
        },
        "series": asdict(series),
        "graphs": [asdict(by_graph[name]) for name in sorted(by_graph)][:GROUPS_SHOWN],
        "providers": costs.by_provider,
        "slowest": _slowest(span),
    }


def recent_figures(now: datetime) -> dict[str, Any]:
    """The last minutes, for alerts: turns, errors and percentiles."""
    span = Span(now - RECENT, now)
    turns = _turns(span)
    counted = turns.aggregate(turns=Count("id"), errors=Count("id", filter=_IS_ERROR))
    delays = turns.filter(first_audio_ms__isnull=False).order_by("-ended_at")
    values = [delay_ms or 0.0 for delay_ms in delays.values_list("first_audio_ms", flat=True)[:RECENT_DELAYS]]
    return {**counted, "error_rate": _rate(counted["errors"], counted["turns"]), "delay": percentiles(values)}


def cost_of_day_usd(now: datetime) -> float:
    day = now.astimezone(UTC).date()
    return float(DailyUsage.objects.filter(day=day).aggregate(total=Sum("cost_usd"))["total"] or 0)


_IS_ERROR = Q(status="failed") | ~Q(error_code="")


@dataclass(slots=True)
class _Graph:
    graph_name: str
    turns: int = 0
    errors: int = 0
    interruptions: int = 0
    cost_usd: float = 0.0
    delay: Percentiles = field(default_factory=lambda: percentiles(()))


@dataclass(frozen=True, slots=True)
class _Turns:
    """One column each, in the order of rows."""

    graph_names: list[str]
    places: Values
    graphs: Values
    delays: Values
    kinds: Values


@dataclass(slots=True)
class _Costs:
    span_usd: float
    today_usd: float
    by_graph: dict[str, float]
    by_provider: list[dict[str, Any]]


def _turns(span: Span) -> "QuerySet[Turn]":
    """The index `turn_figures` holds all that is asked of them: their texts are not read."""
    turns = Turn.objects.order_by().filter(ended_at__gte=span.start, ended_at__lt=span.end)
    return turns.filter(graph_name=span.graph_name) if span.graph_name else turns


def _bucket(span: Span, name: str) -> Any:
    start = int(span.start.timestamp())
    return Cast((Epoch(F(name)) - Value(start)) / Value(span.bucket_seconds), IntegerField())


def _read_turns(span: Span) -> _Turns:
    """The newest TURNS_READ in one pass; unknown delays are below zero."""
    rows = list(
        _turns(span)
        .order_by("-ended_at")
        .values_list(
            _bucket(span, "ended_at"),
            "graph_name",
            Coalesce("first_audio_ms", UNKNOWN_MS),
            Case(When(_IS_ERROR, then=ERROR), When(status="interrupted", then=CUT), default=0),
        )[:TURNS_READ]
    )
    names = {name: number for number, name in enumerate(sorted({row[1] for row in rows}))}
    return _Turns(
        graph_names=list(names),
        places=np.clip(np.fromiter((row[0] for row in rows), dtype=int, count=len(rows)), 0, BUCKETS - 1),
        graphs=np.fromiter((names[row[1]] for row in rows), dtype=int, count=len(rows)),
        delays=np.fromiter((row[2] for row in rows), dtype=float, count=len(rows)),
        kinds=np.fromiter((row[3] for row in rows), dtype=int, count=len(rows)),
    )


def _count_read(turns: _Turns, series: Series) -> dict[str, _Graph]:
    is_error, is_cut = turns.kinds == ERROR, turns.kinds == CUT
    for counts, places in (
        (series.turns, turns.places),
        (series.errors, turns.places[is_error]),
        (series.interruptions, turns.places[is_cut]),
    ):
        counts[:] = np.bincount(places, minlength=BUCKETS).tolist()
    size = len(turns.graph_names)
    all_, errors, cuts = (
        np.bincount(graphs, minlength=size).tolist()
        for graphs in (turns.graphs, turns.graphs[is_error], turns.graphs[is_cut])
    )
    return {
        name: _Graph(name, all_[number], errors[number], cuts[number]) for number, name in enumerate(turns.graph_names)
    }


def _count_in_database(span: Span, series: Series) -> dict[str, _Graph]:
    """For a span with more turns than are read; takes longer."""
    graphs: dict[str, _Graph] = {}
    counted = (
        _turns(span)
        .annotate(bucket=_bucket(span, "ended_at"))
        .values_list("bucket", "graph_name")
        .annotate(
            turns=Count("id"),
            errors=Count("id", filter=_IS_ERROR),
            cut=Count("id", filter=Q(status="interrupted") & ~_IS_ERROR),
        )
    )
    for bucket, graph_name, turns, errors, cut in counted:
        place = _place(bucket)
        series.turns[place] += turns
        series.errors[place] += errors
        series.interruptions[place] += cut
        graph = graphs.setdefault(graph_name, _Graph(graph_name))
        graph.turns += turns
        graph.errors += errors
        graph.interruptions += cut
    return graphs


def _measure_delays(turns: _Turns, series: Series, graphs: dict[str, _Graph]) -> Values:
    """Percentiles by bucket and by graph; returns all delays that are known."""
    is_known = turns.delays >= 0
    delays: Values = turns.delays[is_known]
    for place, values in _groups(turns.places[is_known], delays):
        ranks = percentiles(values)
        series.p50[place], series.p95[place] = ranks["p50"], ranks["p95"]
    for number, values in _groups(turns.graphs[is_known], delays):
        graphs[turns.graph_names[number]].delay = percentiles(values)
    return delays


def _groups(numbers: Values, values: Values) -> list[tuple[int, Values]]:
    """The values of each number."""
    order = np.argsort(numbers, kind="stable")
    known, starts = np.unique(numbers[order], return_index=True)
    return list(zip(known.tolist(), np.split(values[order], starts[1:]), strict=True)) if len(known) else []


def _place(bucket: int) -> int:
    return min(max(int(bucket), 0), BUCKETS - 1)


def _count_sessions(span: Span, series: Series) -> tuple[int, int]:
    totals = []
    for name, counts in (("started_at", series.started), ("ended_at", series.ended)):
        sessions = Session.objects.order_by().filter(**{f"{name}__gte": span.start, f"{name}__lt": span.end})
        if span.graph_name:
            sessions = sessions.filter(graph_name=span.graph_name)
        counted = sessions.annotate(bucket=_bucket(span, name)).values_list("bucket").annotate(count=Count("id"))
        for bucket, count in counted:
            counts[_place(bucket)] += count
        totals.append(sum(counts))
    return totals[0], totals[1]


def _costs(span: Span, now: datetime) -> _Costs:
    """By days (UTC): a span of hours costs what its days have cost."""
    days = DailyUsage.objects.order_by().filter(day__gte=span.start.astimezone(UTC).date())
    if span.graph_name:
        days = days.filter(graph_name=span.graph_name)
    by_graph = {name: float(usd) for name, usd in days.values_list("graph_name").annotate(usd=Sum("cost_usd"))}
    by_provider = [
        {**row, "usd": float(row["usd"])}
        for row in days.values("service", "provider", "model", "purpose")
        .annotate(used=Sum("calls"), usd=Sum("cost_usd"))
        .order_by("-usd")[:GROUPS_SHOWN]
    ]
    today = days.filter(day=now.astimezone(UTC).date()).aggregate(usd=Sum("cost_usd"))["usd"]
    return _Costs(sum(by_graph.values()), float(today or 0), by_graph, by_provider)


def _now(span: Span, now: datetime) -> dict[str, Any]:
    running = Session.objects.filter(state=SessionState.STARTED)
    if span.graph_name:
        running = running.filter(graph_name=span.graph_name)
    is_connected = Q(connected_at__isnull=False) & (
        Q(disconnected_at__isnull=True) | Q(disconnected_at__lt=F("connected_at"))
    )
    counted = running.aggregate(running=Count("id"), live=Count("id", filter=is_connected))
    recent = _turns(Span(now - RECENT, now, span.graph_name)).count()
    return {**counted, "turns_per_minute": round(recent / (RECENT.total_seconds() / 60), 2)}


def _slowest(span: Span) -> list[dict[str, Any]]:
    """By the index on delays: reads the slowest of all time first, so it stops soon only where slow turns are recent."""
    slow = _turns(span).filter(first_audio_ms__isnull=False).order_by("-first_audio_ms")
    names = ("pk", "session_id", "graph_name", "first_audio_ms", "ended_at", "error_code")
    return [{**row, "ended_at": row["ended_at"].isoformat()} for row in slow.values(*names)[:SLOWEST_SHOWN]]


def _rate(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0
