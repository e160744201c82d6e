"""The Django application of the conversation; its label keeps clear of Django's own `sessions`."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate

from sessions.admin.roles import make_graph_rows, make_roles


class SessionsConfig(AppConfig):
    name = "sessions"
    label = "nova_sessions"
    verbose_name = "Conversations"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        post_migrate.connect(make_roles, sender=self, dispatch_uid="nova_roles")
        post_migrate.connect(make_graph_rows, sender=self, dispatch_uid="nova_graph_rows")
