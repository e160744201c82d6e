"""Users, groups and the audit log."""

import json
from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from sessions.admin.audit import note
from sessions.admin.basics import ReadOnlyPage, moment
from sessions.operator_models import AuditEntry


class UserPages(UserAdmin, ModelAdmin):  # type: ignore[misc,type-arg]  # unfold ships no types
    """Who is no superuser can make none, and cannot touch one."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "is_active", "is_staff", "is_superuser", "last_login")
    actions = None

    def get_queryset(self, request: HttpRequest) -> "QuerySet[User]":
        users = super().get_queryset(request)
        return users if request.user.is_superuser else users.filter(is_superuser=False)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fixed = tuple(super().get_readonly_fields(request, obj))
        return fixed if request.user.is_superuser else (*fixed, "is_superuser", "user_permissions")

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        note(request, "user.make", "user", obj.pk, name=obj.get_username())

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        groups = sorted(obj.groups.values_list("name", flat=True))
        note(request, "user.change", "user", obj.pk, name=obj.get_username(), groups=groups, is_active=obj.is_active)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        for user in queryset:
            note(request, "user.delete", "user", user.pk, name=user.get_username())


class GroupPages(GroupAdmin, ModelAdmin):  # type: ignore[misc]  # unfold ships no types
    """Changed by superusers alone: a group can hold any permission."""

    actions = None

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        note(request, "group.change", "group", obj.pk, name=obj.name)

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        note(request, "group.make", "group", obj.pk, name=obj.name)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        for group in queryset:
            note(request, "group.delete", "group", group.pk, name=group.name)


class AuditPages(ReadOnlyPage):
    list_display = ("shown_time", "actor", "action", "target_kind", "target_id", "shown_detail", "address")
    list_display_links = None
    search_fields = ("actor", "target_id", "action")
    ordering = ("-at", "-id")
    list_fullwidth = True

    def get_list_filter(self, request: HttpRequest) -> Any:
        return (ActionFilter,)

    @admin.display(description="At", ordering="at")
    def shown_time(self, entry: AuditEntry) -> str:
        return moment(entry.at)

    @admin.display(description="Detail")
    def shown_detail(self, entry: AuditEntry) -> str:
        text = json.dumps(entry.detail, ensure_ascii=False)
        return text if len(text) <= 300 else f"{text[:300]}…"


ACTIONS = (
    "session.read session.watch session.stop session.say session.whisper session.export session.erase turn.read "
    "key.make key.change key.revoke graph.change webhook.make webhook.change webhook.delete webhook.retry "
    "user.make user.change user.delete group.make group.change group.delete"
).split()


class ActionFilter(admin.SimpleListFilter):
    title = "action"
    parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(action, action) for action in ACTIONS]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        return queryset.filter(action=self.value()) if self.value() else queryset
