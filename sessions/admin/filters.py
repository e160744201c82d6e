"""Filters of the lists whose choices cost no query."""

from datetime import timedelta
from typing import Any, get_args

from django.contrib.admin import SimpleListFilter
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from sessions.graphs.library import file_graphs
from sessions.lifecycle import EndReason
from sessions.models import SessionState

Choices = list[tuple[str, str]]
SLOW_LIMITS_MS = (1_000, 2_000, 4_000)


class _Filter(SimpleListFilter):
    choices_shown: Choices = []

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return self.choices_shown


class StateFilter(_Filter):
    title = "state"
    parameter_name = "is"
    choices_shown = [("live", "Live"), ("waiting", "Waiting for its client"), ("ended", "Ended")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        is_connected = Q(connected_at__isnull=False) & (
            Q(disconnected_at__isnull=True) | Q(disconnected_at__lt=F("connected_at"))
        )
        match self.value():
            case "live":
                return queryset.filter(is_connected, state=SessionState.STARTED)
            case "waiting":
                return queryset.filter(~is_connected, state=SessionState.STARTED)
            case "ended":
                return queryset.filter(state=SessionState.ENDED)
        return queryset


class GraphFilter(_Filter):
    title = "graph"
    parameter_name = "graph"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [(graph.name, graph.name) for graph in file_graphs()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(graph_name=self.value()) if self.value() else queryset


class StartedFilter(_Filter):
    title = "started"
    parameter_name = "started"
    choices_shown = [("1", "Last hour"), ("24", "Last 24 hours"), ("168", "Last 7 days"), ("720", "Last 30 days")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        hours = self.value()
        if hours is None or not hours.isdecimal() or len(hours) > 4:
            return queryset
        return queryset.filter(started_at__gte=timezone.now() - timedelta(hours=int(hours)))


class FaultFilter(_Filter):
    title = "faults"
    parameter_name = "faults"
    choices_shown = [("some", "With faults"), ("cut", "With interruptions")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "some":
            return queryset.filter(fault_count__gt=0)
        return queryset.filter(interruption_count__gt=0) if self.value() == "cut" else queryset


class EndReasonFilter(_Filter):
    title = "end"
    parameter_name = "end"
    choices_shown = [(reason, reason) for reason in get_args(EndReason)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(end_reason=self.value()) if self.value() else queryset


class SlowFilter(_Filter):
    title = "first sound after"
    parameter_name = "slower"
    choices_shown = [(str(limit_ms), f"{limit_ms / 1_000:.0f} s or more") for limit_ms in SLOW_LIMITS_MS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if value is None or not value.isdecimal() or len(value) > 6:
            return queryset
        return queryset.filter(first_audio_ms__gte=int(value))


class StatusFilter(_Filter):
    title = "status"
    parameter_name = "status"
    choices_shown = [(status, status) for status in ("completed", "interrupted", "incomplete", "failed")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(status=self.value()) if self.value() else queryset
