"""Webhooks and their deliveries: where events go, what became of each, and sending one again."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminURLInputWidget

from sessions.admin.audit import note
from sessions.admin.basics import ReadOnlyPage, badge, may, moment, require
from sessions.admin.fields import many_choices
from sessions.configured import web_settings
from sessions.operator_models import DeliveryState, Webhook, WebhookDelivery, WebhookEvent
from sessions.webhooks.addresses import check_url
from sessions.webhooks.signing import new_secret, seal
from workers.errors import BadInputError

TONES = {
    DeliveryState.HELD: "quiet",
    DeliveryState.WAITING: "warning",
    DeliveryState.DELIVERED: "good",
    DeliveryState.GIVEN_UP: "bad",
}


class WebhookForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable when Django runs
    url = forms.URLField(assume_scheme="https", max_length=500, widget=UnfoldAdminURLInputWidget)
    events = many_choices(WebhookEvent.choices, "what is sent")

    class Meta:
        model = Webhook
        fields = ("url", "description", "events", "is_enabled")

    def clean_url(self) -> str:
        url = str(self.cleaned_data["url"])
        try:
            check_url(url, allows_private=web_settings().webhook_allow_private)
        except BadInputError as error:
            raise ValidationError(error.text) from error
        return url


class WebhookPages(ModelAdmin):  # type: ignore[misc]  # unfold ships no types
    form = WebhookForm
    list_display = ("url", "description", "shown_state", "shown_events", "shown_waiting", "shown_given_up")
    readonly_fields = ("created_at", "created_by")
    fields = ("url", "description", "events", "is_enabled")
    change_form_before_template = "nova_admin/new_secret.html"
    actions = None

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Webhook]":
        waiting = Count("deliveries", filter=Q(deliveries__state=DeliveryState.WAITING))
        given_up = Count("deliveries", filter=Q(deliveries__state=DeliveryState.GIVEN_UP))
        return Webhook.objects.annotate(waiting=waiting, given_up=given_up)

    def save_model(self, request: HttpRequest, obj: Webhook, form: Any, change: bool) -> None:
        if change:
            note(
                request, "webhook.change", "webhook", obj.pk, url=obj.url, events=obj.events, is_enabled=obj.is_enabled
            )
            super().save_model(request, obj, form, change)
            return
        secret = new_secret()
        obj.sealed_secret = seal(secret)
        obj.created_by = request.user.get_username()
        super().save_model(request, obj, form, change)
        note(request, "webhook.make", "webhook", obj.pk, url=obj.url, events=obj.events)
        _show_secret(request, secret)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Its deliveries go with it, and are counted instead of listed."""
        count = WebhookDelivery.objects.filter(webhook__in=objs).count()
        return [f"{webhook} and its {count} deliveries" for webhook in objs], {"deliveries": count}, set(), []

    def delete_model(self, request: HttpRequest, obj: Webhook) -> None:
        note(request, "webhook.delete", "webhook", obj.pk, url=obj.url)
        super().delete_model(request, obj)

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """The audit log has it already."""

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """The audit log has it already."""

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """The audit log has it already."""

    def get_urls(self) -> list[URLPattern]:
        renew = self.admin_site.admin_view(require_POST(self.renew))
        return [path("<int:webhook_id>/renew/", renew, name="webhook_renew"), *super().get_urls()]

    def renew(self, request: HttpRequest, webhook_id: int) -> HttpResponse:
        """Another secret; the one before signs nothing from now on."""
        require(request, "change_webhook")
        webhook = get_object_or_404(Webhook, pk=webhook_id)
        note(request, "webhook.change", "webhook", webhook.pk, url=webhook.url, has_new_secret=True)
        secret = new_secret()
        Webhook.objects.filter(pk=webhook.pk).update(sealed_secret=seal(secret))
        _show_secret(request, secret)
        return HttpResponseRedirect(reverse("admin:nova_sessions_webhook_change", args=[webhook.pk]))

    @admin.display(description="State")
    def shown_state(self, webhook: Webhook) -> SafeString:
        return badge("enabled", "good") if webhook.is_enabled else badge("disabled", "quiet")

    @admin.display(description="Events")
    def shown_events(self, webhook: Webhook) -> str:
        return ", ".join(webhook.events)

    @admin.display(description="Waiting")
    def shown_waiting(self, webhook: Any) -> int:
        return int(webhook.waiting)

    @admin.display(description="Given up")
    def shown_given_up(self, webhook: Any) -> SafeString:
        return badge(webhook.given_up, "bad" if webhook.given_up else "quiet")


class DeliveryPages(ReadOnlyPage):
    list_display = ("shown_time", "event", "line", "shown_webhook", "shown_state", "attempts", "shown_answer")
    search_fields = ("delivery_id", "line")
    ordering = ("-id",)
    list_select_related = ("webhook",)
    fields = (
        "delivery_id",
        "webhook",
        "event",
        "line",
        "state",
        "attempts",
        "created_at",
        "next_attempt_at",
        "finished_at",
        "last_status",
        "last_error",
        "payload",
    )
    change_form_before_template = "nova_admin/send_again.html"
    list_fullwidth = True

    def get_list_filter(self, request: HttpRequest) -> Any:
        return (DeliveryStateFilter,)

    def get_urls(self) -> list[URLPattern]:
        again = self.admin_site.admin_view(require_POST(self.send_again))
        return [path("<int:delivery>/again/", again, name="delivery_again"), *super().get_urls()]

    def send_again(self, request: HttpRequest, delivery: int) -> HttpResponse:
        """It waits again, before what came later in its line."""
        require(request, "change_webhook")
        found = get_object_or_404(WebhookDelivery, pk=delivery, state=DeliveryState.GIVEN_UP)
        note(request, "webhook.retry", "webhook", found.webhook_id, delivery_id=found.delivery_id)
        again = {"state": DeliveryState.WAITING, "attempts": 0, "next_attempt_at": timezone.now(), "finished_at": None}
        WebhookDelivery.objects.filter(pk=found.pk).update(**again)
        messages.success(request, "It is sent again.")
        return HttpResponseRedirect(reverse("admin:nova_sessions_webhookdelivery_changelist"))

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        context = {"may_send_again": may(request, "change_webhook"), **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    @admin.display(description="Happened", ordering="id")
    def shown_time(self, delivery: WebhookDelivery) -> str:
        return moment(delivery.created_at)

    @admin.display(description="To")
    def shown_webhook(self, delivery: WebhookDelivery) -> str:
        return delivery.webhook.description or delivery.webhook.url[:60]

    @admin.display(description="State", ordering="state")
    def shown_state(self, delivery: WebhookDelivery) -> SafeString:
        state = DeliveryState(delivery.state)
        return badge(state.label, TONES[state])

    @admin.display(description="Last answer")
    def shown_answer(self, delivery: WebhookDelivery) -> str:
        return delivery.last_error or (str(delivery.last_status) if delivery.last_status else "—")


class DeliveryStateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "is"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return DeliveryState.choices

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        return queryset.filter(state=self.value()) if self.value() else queryset


def _show_secret(request: HttpRequest, secret: str) -> None:
    messages.warning(
        request,
        format_html(
            'Its secret, shown this once: <code id="new-secret">{}</code> The receiver checks signatures by it.', secret
        ),
    )
