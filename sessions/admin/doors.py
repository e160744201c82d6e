"""The operators' site: every page of the admin is registered here."""

from typing import Any

from django.contrib.auth.models import Group, User
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from unfold.sites import UnfoldAdminSite

from sessions.admin.dashboard import dashboard, figures, prices
from sessions.admin.graph_pages import GraphPages
from sessions.admin.key_pages import ApiKeyPages
from sessions.admin.people_pages import AuditPages, GroupPages, UserPages
from sessions.admin.session_pages import SessionPages
from sessions.admin.turn_pages import TurnPages
from sessions.admin.webhook_pages import DeliveryPages, WebhookPages
from sessions.models import Session, Turn
from sessions.operator_models import ApiKey, AuditEntry, GraphSetting, Webhook, WebhookDelivery

PAGES = {
    Session: SessionPages,
    Turn: TurnPages,
    GraphSetting: GraphPages,
    ApiKey: ApiKeyPages,
    Webhook: WebhookPages,
    WebhookDelivery: DeliveryPages,
    AuditEntry: AuditPages,
    User: UserPages,
    Group: GroupPages,
}


class OperatorsSite(UnfoldAdminSite):  # type: ignore[misc]  # unfold ships no types
    enable_nav_sidebar = True

    def get_urls(self) -> list[URLPattern]:
        return [
            path("figures/", self.admin_view(figures), name="figures"),
            path("prices/", self.admin_view(self.prices), name="prices"),
            *super().get_urls(),
        ]

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Colours come from nova_admin/colours.css: the security policy allows no style in the page."""
        return {**super().each_context(request), "colors": None}

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return dashboard(request, self.each_context(request))

    def prices(self, request: HttpRequest) -> HttpResponse:
        return prices(request, self.each_context(request))


operators = OperatorsSite(name="admin")
for model, pages in PAGES.items():
    operators.register(model, pages)
