"""The rows: sessions and their turns. Only sessions.lifecycle writes them."""

import secrets
from typing import ClassVar

from django.db import models
from django.utils import timezone

import sessions.operator_models  # noqa: F401 - Django looks for models in this module only


def new_session_id() -> str:
    return "sess_" + secrets.token_hex(16)


class SessionState(models.TextChoices):
    STARTED = "started"
    ENDED = "ended"


class Session(models.Model):
    """One client's conversation on one channel. `timeout_seconds` null means that idleness never ends it."""

    id = models.CharField(primary_key=True, max_length=64, default=new_session_id, editable=False)
    channel_name = models.CharField(max_length=64)
    graph_name = models.CharField(max_length=64)
    overrides = models.JSONField(default=dict, blank=True)
    owner = models.CharField(max_length=80)
    user_uid = models.BigIntegerField()
    bot_uid = models.BigIntegerField()
    timeout_seconds = models.PositiveIntegerField(null=True, blank=True)
    state = models.CharField(max_length=16, choices=SessionState.choices, default=SessionState.STARTED)
    started_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)
    end_reason = models.CharField(max_length=64, blank=True, default="")

    class Meta:
        ordering: ClassVar = ["-started_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["channel_name"],
                condition=models.Q(state="started"),
                name="one_started_session_per_channel",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["state", "owner"], name="session_by_state_and_owner"),
            models.Index(fields=["channel_name", "-started_at"], name="session_by_channel"),
        ]

    def __str__(self) -> str:
        return f"{self.channel_name} ({self.state})"


class DecisionLog(models.Model):
    """Lines of a session's turn engine, in batches; `manage.py replay_turns` puts them together again.

    A newer socket on the channel (`generation`) has an engine of its own, which counts its lines from 0.
    """

    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="decision_logs")
    generation = models.PositiveIntegerField()
    first_number = models.PositiveIntegerField()
    lines = models.JSONField()

    class Meta:
        ordering: ClassVar = ["session", "generation", "first_number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["session", "generation", "first_number"], name="one_log_of_each_line"),
        ]

    def __str__(self) -> str:
        return f"{self.session_id} {self.generation}.{self.first_number}"


class Turn(models.Model):
    """One finished turn and its reply; `heard_text` is the part that the user really heard."""

    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="turns")
    turn_id = models.CharField(max_length=64, unique=True)
    reply_id = models.CharField(max_length=64, blank=True, default="")
    user_text = models.TextField(blank=True, default="")
    reply_text = models.TextField(blank=True, default="")
    heard_text = models.TextField(blank=True, default="")
    status = models.CharField(max_length=32, blank=True, default="")
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    delays = models.JSONField(default=dict, blank=True)
    error_code = models.CharField(max_length=64, blank=True, default="")

    class Meta:
        ordering: ClassVar = ["started_at"]
        indexes: ClassVar = [models.Index(fields=["session", "started_at"], name="turn_by_session")]

    def __str__(self) -> str:
        return self.turn_id
