"""How the admin looks and what its menu holds; settings of django-unfold, which nova_site puts into Django's."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy


def _may(*permissions: str) -> Callable[[HttpRequest], bool]:
    return lambda request: all(request.user.has_perm(permission) for permission in permissions)


def _item(title: str, icon: str, link: str, *permissions: str) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": reverse_lazy(link), "permission": _may(*permissions)}


def _file(name: str) -> Callable[[HttpRequest], str]:
    return lambda _: static(name)


NAVIGATION = [
    {
        "title": "Now",
        "items": [
            _item("Dashboard", "monitoring", "admin:index", "nova_sessions.view_session"),
            _item("Sessions", "forum", "admin:nova_sessions_session_changelist", "nova_sessions.view_session"),
            _item("Turns", "timeline", "admin:nova_sessions_turn_changelist", "nova_sessions.view_turn"),
        ],
    },
    {
        "title": "Rules",
        "items": [
            _item(
                "Graphs",
                "account_tree",
                "admin:nova_sessions_graphsetting_changelist",
                "nova_sessions.view_graphsetting",
            ),
            _item("API keys", "key", "admin:nova_sessions_apikey_changelist", "nova_sessions.view_apikey"),
            _item("Webhooks", "webhook", "admin:nova_sessions_webhook_changelist", "nova_sessions.view_webhook"),
            _item(
                "Deliveries",
                "outgoing_mail",
                "admin:nova_sessions_webhookdelivery_changelist",
                "nova_sessions.view_webhookdelivery",
            ),
            _item("Prices", "payments", "admin:prices", "nova_sessions.view_session"),
        ],
    },
    {
        "title": "People",
        "items": [
            _item("Audit log", "policy", "admin:nova_sessions_auditentry_changelist", "nova_sessions.view_auditentry"),
            _item("Users", "person", "admin:auth_user_changelist", "auth.view_user"),
            _item("Groups", "group", "admin:auth_group_changelist", "auth.view_group"),
        ],
    },
]

UNFOLD_SETTINGS: dict[str, Any] = {
    "SITE_TITLE": "Nova Realtime",
    "SITE_HEADER": "Nova Realtime",
    "SITE_SUBHEADER": "operators",
    "SITE_ICON": _file("nova_sessions/icon.svg"),
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": _file("nova_sessions/icon.svg")}],
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "STYLES": [_file("nova_admin/colours.css"), _file("nova_admin/parts.css")],
    "SCRIPTS": [_file("nova_admin/no_inline_styles.js")],
    "SIDEBAR": {"show_search": False, "show_all_applications": False, "navigation": NAVIGATION},
}
