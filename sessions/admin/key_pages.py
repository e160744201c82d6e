"""API keys: made here, shown once, revoked here; a key that was ever made stays in the list."""

import secrets
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin

from sessions.admin.announcing import tell_tables_changed
from sessions.admin.audit import note
from sessions.admin.basics import badge, moment, require
from sessions.admin.fields import many_choices
from sessions.operator_models import ApiKey, KeyScope
from sessions.operator_tables import digest_of, owner_of_digest

PREFIX = "nova_"
SHOWN_CHARACTERS = 12
LIMITS = ("scopes", "calls_per_minute", "sessions_at_once", "budget_usd_a_day", "expires_at")


class ApiKeyForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable when Django runs
    scopes = many_choices(KeyScope.choices, "what the key may do")

    class Meta:
        model = ApiKey
        fields = ("name", *LIMITS)


class ApiKeyPages(ModelAdmin):  # type: ignore[misc]  # unfold ships no types
    form = ApiKeyForm
    list_display = ("name", "shown_start", "shown_state", "shown_scopes", "shown_budget", "shown_use", "created_by")
    search_fields = ("name", "shown_start", "owner")
    readonly_fields = ("shown_start", "owner", "created_at", "created_by", "revoked_at", "last_used_at")
    fieldsets = (
        (None, {"fields": ("name", "scopes", "expires_at")}),
        ("Limits", {"fields": ("calls_per_minute", "sessions_at_once", "budget_usd_a_day")}),
        ("Known of it", {"fields": ("shown_start", "owner", "created_at", "created_by", "revoked_at", "last_used_at")}),
    )
    add_fieldsets = ()
    change_form_before_template = "nova_admin/revoke.html"
    list_per_page = 50
    show_full_result_count = False
    actions = None

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Its sessions and costs still name it."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        is_revoked = isinstance(obj, ApiKey) and obj.revoked_at is not None
        return not is_revoked and bool(super().has_change_permission(request, obj))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fieldsets if obj is not None else self.fieldsets[:2]

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        """A new key is in the message of this one answer, and nowhere else."""
        limits = {name: str(form.cleaned_data.get(name)) for name in LIMITS}
        if change:
            note(request, "key.change", "key", obj.pk, name=obj.name, changed=sorted(form.changed_data), **limits)
            super().save_model(request, obj, form, change)
        else:
            key = PREFIX + secrets.token_urlsafe(32)
            obj.digest = digest_of(key)
            obj.owner = owner_of_digest(obj.digest)
            obj.shown_start = key[:SHOWN_CHARACTERS]
            obj.created_by = request.user.get_username()
            super().save_model(request, obj, form, change)
            note(request, "key.make", "key", obj.pk, name=obj.name, **limits)
            messages.warning(
                request,
                format_html(
                    'The key, shown this once: <code id="new-key">{}</code> Keep it where its user finds it.', key
                ),
            )
        tell_tables_changed(request)

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """The audit log has it already."""

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """The audit log has it already."""

    def get_urls(self) -> list[URLPattern]:
        revoke = self.admin_site.admin_view(require_POST(self.revoke))
        return [path("<int:key_id>/revoke/", revoke, name="apikey_revoke"), *super().get_urls()]

    def revoke(self, request: HttpRequest, key_id: int) -> HttpResponse:
        require(request, "change_apikey")
        key = get_object_or_404(ApiKey, pk=key_id, revoked_at__isnull=True)
        note(request, "key.revoke", "key", key.pk, name=key.name)
        ApiKey.objects.filter(pk=key.pk).update(revoked_at=timezone.now())
        tell_tables_changed(request)
        messages.success(request, f"The key {key.name} is revoked. Its talks end within a few seconds.")
        return HttpResponseRedirect(reverse("admin:nova_sessions_apikey_changelist"))

    @admin.display(description="State")
    def shown_state(self, key: ApiKey) -> SafeString:
        if key.revoked_at is not None:
            return badge("revoked", "quiet")
        if key.expires_at is not None and key.expires_at <= timezone.now():
            return badge("expired", "warning")
        return badge("valid", "good")

    @admin.display(description="Scopes")
    def shown_scopes(self, key: ApiKey) -> str:
        return ", ".join(key.scopes)

    @admin.display(description="Budget a day", ordering="budget_usd_a_day")
    def shown_budget(self, key: ApiKey) -> str:
        return f"${key.budget_usd_a_day:.2f}" if key.budget_usd_a_day is not None else "—"

    @admin.display(description="Last used", ordering="last_used_at")
    def shown_use(self, key: ApiKey) -> str:
        return moment(key.last_used_at)
