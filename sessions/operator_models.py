"""The rows that operators write by the admin: API keys, graph settings, webhooks, and the log of what they did."""

import secrets
from decimal import Decimal
from typing import ClassVar

from django.core.validators import MinValueValidator
from django.db import models
from django.utils import timezone


class KeyScope(models.TextChoices):
    TICKETS = "tickets", "make tickets (generate, client_secrets)"
    SESSIONS = "sessions", "start, stop, ping and list sessions"
    SOCKET = "socket", "open the websocket with the key itself"


ALL_SCOPES: tuple[str, ...] = tuple(KeyScope.values)


def all_scopes() -> list[str]:
    return list(ALL_SCOPES)


class ApiKey(models.Model):
    """A key by its hash; the key itself is shown once and kept nowhere.

    `owner` is what the key's sessions carry, made of the hash. Null limits are the site's own.
    """

    name = models.CharField(max_length=80, help_text="who or what uses it")
    shown_start = models.CharField(max_length=16, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    owner = models.CharField(max_length=80, unique=True, editable=False)
    scopes = models.JSONField(default=all_scopes)
    calls_per_minute = models.PositiveIntegerField(
        null=True, blank=True, help_text="of generate, start and client_secrets each; empty: NOVA_CALLS_PER_MINUTE"
    )
    sessions_at_once = models.PositiveIntegerField(null=True, blank=True, help_text="empty: no limit but the site's")
    budget_usd_a_day = models.DecimalField(
        max_digits=12,
        decimal_places=4,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal("0.0001"))],
        help_text="estimated cost of a day (UTC); empty: NOVA_BUDGET_KEY_DAY_USD",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.CharField(max_length=150, blank=True, default="", editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = "API key"
        verbose_name_plural = "API keys"
        ordering: ClassVar = ["name", "id"]

    def __str__(self) -> str:
        return f"{self.name} ({self.shown_start}…)"


class GraphSetting(models.Model):
    """What an operator has set for a graph, on top of its file. There is one row for each file."""

    graph_name = models.CharField(primary_key=True, max_length=64, editable=False)
    is_enabled = models.BooleanField(default=True, help_text="a graph that is not enabled can not be started")
    properties = models.JSONField(
        default=dict,
        blank=True,
        help_text='by node, as in the graph\'s file: {"llm": {"prompt": "..."}}; applies from the next start on',
    )
    changed_at = models.DateTimeField(null=True, blank=True, editable=False)
    changed_by = models.CharField(max_length=150, blank=True, default="", editable=False)

    class Meta:
        verbose_name = "graph"
        ordering: ClassVar = ["graph_name"]

    def __str__(self) -> str:
        return self.graph_name


class AuditEntry(models.Model):
    """One thing that an operator did. Written once, never changed or removed by the admin."""

    at = models.DateTimeField(default=timezone.now, db_index=True)
    actor = models.CharField(max_length=150)
    actor_id = models.BigIntegerField(null=True)
    address = models.CharField(max_length=64, blank=True, default="")
    action = models.CharField(max_length=40)
    target_kind = models.CharField(max_length=40, blank=True, default="")
    target_id = models.CharField(max_length=100, blank=True, default="", db_index=True)
    detail = models.JSONField(default=dict, blank=True)

    class Meta:
        verbose_name = "audit entry"
        verbose_name_plural = "audit log"
        ordering: ClassVar = ["-at", "-id"]
        default_permissions: ClassVar = ("view",)

    def __str__(self) -> str:
        return f"{self.actor}: {self.action} {self.target_id}"


class WebhookEvent(models.TextChoices):
    SESSION_STARTED = "session.started", "a session has started"
    SESSION_ENDED = "session.ended", "a session has ended"
    TURN_FINISHED = "turn.finished", "a turn has finished (figures, no words)"
    ALERT = "alert", "something needs an operator"


def new_delivery_id() -> str:
    return "whd_" + secrets.token_hex(12)


class Webhook(models.Model):
    """Where events are sent. `sealed_secret` signs them; it is readable with DJANGO_SECRET_KEY alone."""

    url = models.URLField(max_length=500)
    description = models.CharField(max_length=120, blank=True, default="")
    events = models.JSONField(default=list)
    is_enabled = models.BooleanField(default=True)
    sealed_secret = models.TextField(editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.CharField(max_length=150, blank=True, default="", editable=False)

    class Meta:
        ordering: ClassVar = ["id"]

    def __str__(self) -> str:
        return self.url


class DeliveryState(models.TextChoices):
    HELD = "held", "held for the last turn"
    WAITING = "waiting"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up", "given up"


class WebhookDelivery(models.Model):
    """One event for one webhook. Those of a `line` (a session, or all alerts) are sent one after another, by id."""

    id = models.BigAutoField(primary_key=True)
    delivery_id = models.CharField(max_length=40, unique=True, default=new_delivery_id)
    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries")
    event = models.CharField(max_length=40)
    line = models.CharField(max_length=64)
    payload = models.JSONField()
    state = models.CharField(max_length=16, choices=DeliveryState.choices, default=DeliveryState.WAITING)
    attempts = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    next_attempt_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)
    last_status = models.PositiveIntegerField(null=True, blank=True)
    last_error = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        verbose_name_plural = "webhook deliveries"
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            models.Index(fields=["state", "next_attempt_at"], name="delivery_due"),
            models.Index(fields=["webhook", "line", "state", "id"], name="delivery_in_line"),
            models.Index(fields=["finished_at"], name="delivery_by_end"),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.delivery_id}"


class OperatorRights(models.Model):
    """No table: the permissions that belong to no row of their own."""

    class Meta:
        managed = False
        default_permissions: ClassVar = ()
        permissions: ClassVar = [
            ("view_transcripts", "may read what was said, seen and done in a session"),
            ("operate_sessions", "may stop a session, let it say something, and whisper to its model"),
            ("export_sessions", "may take a session's transcript out of the house"),
            ("erase_sessions", "may erase a session"),
        ]
