"""What the admin's lists share: rows that only the system writes, badges, and dates as people read them."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, cast

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, PermissionsMixin
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin

View = Callable[..., HttpResponse]
PAGE_ROWS = 50
Tone = str
"""One of good, bad, warning, quiet: a class of nova_admin/parts.css."""


class ReadOnlyPage(ModelAdmin):  # type: ignore[misc]  # unfold ships no types
    """Rows that the system writes: nobody adds, changes or deletes them here."""

    list_per_page = PAGE_ROWS
    list_max_show_all = PAGE_ROWS
    show_full_result_count = False
    actions = None

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def may(request: HttpRequest, permission: str) -> bool:
    """`permission` without its application."""
    user = cast("AnonymousUser | PermissionsMixin | AbstractBaseUser", request.user)
    return bool(getattr(user, "has_perm")(f"nova_sessions.{permission}"))  # noqa: B009 - three kinds of user


def require(request: HttpRequest, permission: str) -> None:
    """Raises PermissionDenied: 403."""
    if not may(request, permission):
        raise PermissionDenied


def badge(text: object, tone: Tone) -> SafeString:
    return format_html('<span class="nova-badge nova-{}">{}</span>', tone, text)


def moment(at: datetime | None) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S") if at is not None else "—"


def length(seconds: float) -> str:
    """75.4 as 1:15."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def title_of(row: Model) -> str:
    return str(row._meta.verbose_name).capitalize()
