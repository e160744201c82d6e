"""The three roles of operators as Django groups: what a viewer, an operator and an admin may do; made after each migration."""

from typing import Any

from django.apps import apps

from sessions.graphs.library import file_graphs

VIEWER, OPERATOR, ADMIN = "viewer", "operator", "admin"
APP = "nova_sessions"

_FIGURES = ("view_session", "view_webhook", "view_graphsetting")
_WORDS = (
    "view_transcripts",
    "view_turn",
    "view_reply",
    "view_toolcall",
    "view_frameset",
    "view_event",
    "view_usage",
    "view_decisionlog",
    "view_webhookdelivery",
)
_ACTS = ("operate_sessions", "export_sessions")
_RULES = (
    "erase_sessions",
    "view_auditentry",
    "view_apikey",
    "add_apikey",
    "change_apikey",
    "change_graphsetting",
    "add_webhook",
    "change_webhook",
    "delete_webhook",
)
_PEOPLE = ("add_user", "change_user", "view_user", "delete_user", "view_group")

PERMISSIONS: dict[str, tuple[str, ...]] = {
    VIEWER: _FIGURES,
    OPERATOR: (*_FIGURES, *_WORDS, *_ACTS),
    ADMIN: (*_FIGURES, *_WORDS, *_ACTS, *_RULES),
}


def make_roles(using: str = "default", **_: Any) -> None:
    """A receiver of post_migrate. Gives the groups at least these permissions; what a site has added stays."""
    group_model = apps.get_model("auth", "Group")
    permission_model = apps.get_model("auth", "Permission")
    for role, codenames in PERMISSIONS.items():
        group, _is_new = group_model.objects.using(using).get_or_create(name=role)
        wanted = permission_model.objects.using(using).filter(content_type__app_label=APP, codename__in=codenames)
        group.permissions.add(*wanted)
        if role == ADMIN:
            of_people = permission_model.objects.using(using).filter(content_type__app_label="auth")
            group.permissions.add(*of_people.filter(codename__in=_PEOPLE))


def make_graph_rows(using: str = "default", **_: Any) -> None:
    """A receiver of post_migrate: one row for each graph's file, so that operators find it in the list."""
    setting_model = apps.get_model(APP, "GraphSetting")
    for graph in file_graphs():
        setting_model.objects.using(using).get_or_create(graph_name=graph.name)
