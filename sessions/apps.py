"""The Django application of the conversation; its label keeps clear of Django's own `sessions`."""

from django.apps import AppConfig


class SessionsConfig(AppConfig):
    name = "sessions"
    label = "nova_sessions"
    verbose_name = "Conversations"
    default_auto_field = "django.db.models.BigAutoField"
