"""The rows: sessions, what was said in them, and what it cost. Only sessions.lifecycle and sessions.records write them.

A column that is added has a default in the database itself, or may be null: code of one release before writes beside it.
"""

import secrets
from typing import ClassVar

from django.db import models
from django.db.models import Value
from django.utils import timezone

import sessions.operator_models  # noqa: F401 - Django looks for models in this module only
from sessions.usage_models import DailyUsage, Purpose, Service, Usage, usd_field

__all__ = [
    "DailyUsage",
    "DecisionLog",
    "Event",
    "EventKind",
    "FrameSet",
    "Purpose",
    "Reply",
    "Service",
    "Session",
    "SessionState",
    "ToolCall",
    "Turn",
    "Usage",
]


def new_session_id() -> str:
    return "sess_" + secrets.token_hex(16)


class SessionState(models.TextChoices):
    STARTED = "started"
    ENDED = "ended"


def _count() -> "models.PositiveIntegerField[int, int]":
    return models.PositiveIntegerField(default=0, db_default=0)


def _no_details() -> Value:
    return Value({}, models.JSONField())


class Session(models.Model):
    """One client's conversation on one channel. `timeout_seconds` null means that idleness never ends it.

    `connected_at` and `disconnected_at` are the newest socket's; `providers` says who hears, thinks and speaks, with
    model, voice, engine, language and voice activity. Totals follow what the record writer has written so far.
    """

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
    generation = models.PositiveBigIntegerField(null=True, blank=True)
    connected_at = models.DateTimeField(null=True, blank=True)
    disconnected_at = models.DateTimeField(null=True, blank=True)
    providers = models.JSONField(default=dict, blank=True, db_default=_no_details())
    turn_count = _count()
    interruption_count = _count()
    fault_count = _count()
    last_turn_at = models.DateTimeField(null=True, blank=True)
    cost_usd = usd_field()

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
            models.Index(fields=["-started_at"], name="session_by_start"),
            models.Index(fields=["ended_at"], name="session_by_end"),
            models.Index(fields=["graph_name", "-started_at"], name="session_by_graph"),
            models.Index(fields=["owner", "-started_at"], name="session_by_owner"),
        ]

    def __str__(self) -> str:
        return f"{self.channel_name} ({self.state})"

    @property
    def is_connected(self) -> bool:
        """A client's socket is open, as far as has been written."""
        if self.state != SessionState.STARTED or self.connected_at is None:
            return False
        return self.disconnected_at is None or self.disconnected_at < self.connected_at


class DecisionLog(models.Model):
    """Lines of a session's turn engine, in batches; `manage.py replay_turns` puts them together again.

    A newer socket on the channel (`generation`) has an engine of its own, which counts its lines from 0, and their
    `at_ms` from `started_at`.
    """

    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="decision_logs")
    generation = models.PositiveBigIntegerField()
    started_at = models.DateTimeField(null=True, blank=True)
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
    """One finished turn with the reply to it, as lists and dashboards need them; a reply without a turn has no words.

    `heard_text` is the part that the user really heard. `paused_at` is the end of the voice, `first_audio_ms` counts
    from it to the first sound of the reply (to its first written sentence, when it was only read).
    """

    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="turns")
    graph_name = models.CharField(max_length=64, blank=True, default="", db_default="")
    turn_id = models.CharField(max_length=64, unique=True)
    reply_id = models.CharField(max_length=64, blank=True, default="")
    user_text = models.TextField(blank=True, default="")
    reply_text = models.TextField(blank=True, default="")
    heard_text = models.TextField(blank=True, default="")
    status = models.CharField(max_length=32, blank=True, default="")
    started_at = models.DateTimeField()
    paused_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    delays = models.JSONField(default=dict, blank=True)
    first_audio_ms = models.FloatField(null=True, blank=True)
    speculations = _count()
    dropped_speculations = _count()
    error_code = models.CharField(max_length=64, blank=True, default="")

    class Meta:
        ordering: ClassVar = ["started_at"]
        indexes: ClassVar = [
            models.Index(fields=["session", "started_at"], name="turn_by_session"),
            models.Index(
                fields=["ended_at", "graph_name", "first_audio_ms", "status", "error_code"], name="turn_figures"
            ),
            models.Index(fields=["reply_id"], name="turn_by_reply"),
            models.Index(fields=["first_audio_ms"], name="turn_by_delay"),
        ]

    def __str__(self) -> str:
        return self.turn_id


class Reply(models.Model):
    """How one reply was made: its text at every station on its way to the ear, who made it, and what of it was paid.

    `reason` is the protocol's: turn_detected, client_cancelled, max_output_tokens, content_filter or an error's code.
    """

    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="replies")
    turn = models.OneToOneField(Turn, to_field="turn_id", on_delete=models.CASCADE, related_name="reply")
    reply_id = models.CharField(max_length=64, unique=True)
    status = models.CharField(max_length=32)
    reason = models.CharField(max_length=64, blank=True, default="")
    error_text = models.TextField(blank=True, default="")
    is_speculative = models.BooleanField(default=False)
    attempts = models.PositiveSmallIntegerField(default=1)
    model_id = models.CharField(max_length=200, blank=True, default="")
    voice = models.CharField(max_length=64, blank=True, default="")
    engine = models.CharField(max_length=64, blank=True, default="")
    generated_text = models.TextField(blank=True, default="")
    synthesised_text = models.TextField(blank=True, default="")
    sent_text = models.TextField(blank=True, default="")
    heard_text = models.TextField(blank=True, default="")
    asked_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    sent_ms = models.FloatField(default=0)
    heard_ms = models.FloatField(default=0)
    unheard_characters = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name_plural = "replies"
        ordering: ClassVar = ["asked_at"]
        indexes: ClassVar = [
            models.Index(fields=["ended_at"], name="reply_by_end"),
            models.Index(fields=["session", "asked_at"], name="reply_by_session"),
        ]

    def __str__(self) -> str:
        return self.reply_id


class ToolCall(models.Model):
    """One call of a function by the model; of its result only the size is kept."""

    reply = models.ForeignKey(Reply, to_field="reply_id", on_delete=models.CASCADE, related_name="tool_calls")
    number = models.PositiveSmallIntegerField()
    tool_use_id = models.CharField(max_length=128)
    name = models.CharField(max_length=128)
    arguments = models.JSONField(default=dict, blank=True)
    runs_at = models.CharField(max_length=16)
    is_error = models.BooleanField(null=True, blank=True)
    result_bytes = models.PositiveIntegerField(null=True, blank=True)
    lasted_ms = models.FloatField(null=True, blank=True)
    called_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["reply", "number"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["reply", "number"], name="one_row_of_each_call")]
        indexes: ClassVar = [models.Index(fields=["called_at"], name="tool_call_by_time")]

    def __str__(self) -> str:
        return f"{self.name} ({self.tool_use_id})"


class FrameSet(models.Model):
    """The pictures that one reply was shown; the pictures themselves live in Redis for a while and are never rows.

    `frames`: a list of {key, source, captured_at_ms, kind: "frame" or "mosaic", and what watching knows beside}.
    """

    reply = models.OneToOneField(Reply, to_field="reply_id", on_delete=models.CASCADE, related_name="frame_set")
    frames = models.JSONField(default=list)
    picture_count = models.PositiveSmallIntegerField(default=0)
    picture_tokens = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.picture_count} pictures of {self.reply_id}"


class EventKind(models.TextChoices):
    """`interruption` cut a reply off, `false_interruption` only held it; the code says why."""

    SOCKET_OPENED = "socket_opened"
    SOCKET_CLOSED = "socket_closed"
    FAULT = "fault"
    NOTICE = "notice"
    INTERRUPTION = "interruption"
    FALSE_INTERRUPTION = "false_interruption"
    BUDGET = "budget"
    ALERT = "alert"


class Event(models.Model):
    """Something that happened in a session and is no turn. `event_id` names it, so that it is written once."""

    event_id = models.CharField(max_length=128, unique=True)
    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="events")
    reply_id = models.CharField(max_length=64, blank=True, default="")
    at = models.DateTimeField()
    kind = models.CharField(max_length=32, choices=EventKind.choices)
    code = models.CharField(max_length=64, blank=True, default="")
    text = models.TextField(blank=True, default="")
    details = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering: ClassVar = ["at"]
        indexes: ClassVar = [
            models.Index(fields=["session", "at"], name="event_by_session"),
            models.Index(fields=["kind", "at"], name="event_by_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.code}".strip()
