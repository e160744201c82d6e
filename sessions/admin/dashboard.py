"""The dashboard: one page, and the figures that its script asks for every few seconds."""

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from sessions.admin.basics import may, require
from sessions.alerts import alerts_if_known
from sessions.configured import web_settings
from sessions.figures import Span, dashboard_figures
from sessions.graphs.library import file_graphs
from sessions.quotas import quotas_in_use
from workers.prices import price_table

HOURS = (1, 6, 24, 168, 720)
DEFAULT_HOURS = 24
KEPT_SECONDS = 4
"""Many open dashboards cost one reading."""


def dashboard(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    if not may(request, "view_session"):
        return TemplateResponse(request, "nova_admin/no_role.html", {**context, "title": "No role yet"})
    own = {
        "title": "Dashboard",
        "subtitle": None,
        "hours": [(hours, _shown(hours)) for hours in HOURS],
        "default_hours": DEFAULT_HOURS,
        "graphs": [graph.name for graph in file_graphs()],
        "figures_url": reverse("admin:figures"),
        "turns_url": reverse("admin:nova_sessions_turn_changelist"),
        "sessions_url": reverse("admin:nova_sessions_session_changelist"),
    }
    return TemplateResponse(request, "nova_admin/dashboard.html", {**context, **own})


@require_safe
def figures(request: HttpRequest) -> HttpResponse:
    require(request, "view_session")
    wanted = request.GET.get("hours", "")
    hours = int(wanted) if wanted.isdecimal() and len(wanted) < 4 and int(wanted) in HOURS else DEFAULT_HOURS
    graph_name = request.GET.get("graph", "")
    if graph_name not in {graph.name for graph in file_graphs()}:
        graph_name = ""
    found = cache.get_or_set(f"nova.figures.{hours}.{graph_name}", lambda: _figures(hours, graph_name), KEPT_SECONDS)
    return JsonResponse(found)


def prices(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """Read from the table that is in force; another comes with NOVA_PRICES, so that it is reviewed like code."""
    require(request, "view_session")
    return TemplateResponse(
        request,
        "nova_admin/prices.html",
        {**context, "title": "Prices", "table": price_table(web_settings().prices_path)},
    )


def _figures(hours: int, graph_name: str) -> dict[str, Any]:
    now = timezone.now()
    span = Span(now - timedelta(hours=hours), now, graph_name)
    quotas = [asdict(quota) for quota in quotas_in_use()]
    return {
        **dashboard_figures(span, now),
        "quotas": quotas,
        "alerts": [asdict(each) for each in alerts_if_known()],
        "hours": hours,
        "graph": graph_name,
        "at": now.isoformat(),
    }


def _shown(hours: int) -> str:
    if hours == 1:
        return "last hour"
    return f"last {hours} hours" if hours <= 24 else f"last {hours // 24} days"
