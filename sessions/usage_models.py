"""The rows of what was used and what it cost; Django finds them through sessions.models."""

from decimal import Decimal
from typing import ClassVar

from django.db import models

NO_COST = Decimal(0)
USD_DIGITS = 16
USD_PLACES = 8


def usd_field() -> "models.DecimalField[Decimal, Decimal]":
    return models.DecimalField(max_digits=USD_DIGITS, decimal_places=USD_PLACES, default=NO_COST, db_default=NO_COST)


class Service(models.TextChoices):
    SPEECH_TO_TEXT = "speech_to_text"
    LANGUAGE_MODEL = "language_model"
    TEXT_TO_SPEECH = "text_to_speech"


class Purpose(models.TextChoices):
    """What a service was used for; all but the first bought nothing that was heard."""

    TALK = "talk"
    SPECULATION = "speculation", "dropped speculation"
    RETRY = "retry", "attempt that was given up"


class Usage(models.Model):
    """What one call, or one stream, of a service used and cost. `usage_id` names it: a later word about it replaces this.

    `model` is a model's id or a voice's engine. `picture_tokens` are part of `input_tokens`, cached ones stand beside
    them. `estimated_usd` is what was thought before the service said.
    """

    usage_id = models.CharField(max_length=160, unique=True)
    session = models.ForeignKey("nova_sessions.Session", on_delete=models.CASCADE, related_name="usages")
    reply_id = models.CharField(max_length=64, blank=True, default="")
    at = models.DateTimeField()
    service = models.CharField(max_length=32, choices=Service.choices)
    provider = models.CharField(max_length=128)
    model = models.CharField(max_length=200, blank=True, default="")
    purpose = models.CharField(max_length=16, choices=Purpose.choices, default=Purpose.TALK)
    seconds = models.FloatField(default=0)
    billed_seconds = models.FloatField(default=0)
    input_tokens = models.PositiveIntegerField(default=0)
    cached_input_tokens = models.PositiveIntegerField(default=0)
    picture_tokens = models.PositiveIntegerField(default=0)
    output_tokens = models.PositiveIntegerField(default=0)
    characters = models.PositiveIntegerField(default=0)
    word_mark_characters = models.PositiveIntegerField(default=0)
    is_estimated = models.BooleanField(default=False)
    estimated_usd = usd_field()
    cost_usd = usd_field()
    price_version = models.CharField(max_length=32, blank=True, default="")

    class Meta:
        ordering: ClassVar = ["at"]
        indexes: ClassVar = [
            models.Index(fields=["session", "at"], name="usage_by_session"),
            models.Index(fields=["at"], name="usage_by_time"),
            models.Index(fields=["reply_id"], name="usage_by_reply"),
        ]

    def __str__(self) -> str:
        return self.usage_id


class DailyUsage(models.Model):
    """Usage of one day (UTC) added up; holds nothing that was said, and outlives the sessions it was used for."""

    day = models.DateField()
    owner = models.CharField(max_length=80)
    graph_name = models.CharField(max_length=64)
    service = models.CharField(max_length=32, choices=Service.choices)
    provider = models.CharField(max_length=128)
    model = models.CharField(max_length=200, blank=True, default="")
    purpose = models.CharField(max_length=16, choices=Purpose.choices, default=Purpose.TALK)
    calls = models.PositiveBigIntegerField(default=0)
    seconds = models.FloatField(default=0)
    billed_seconds = models.FloatField(default=0)
    input_tokens = models.PositiveBigIntegerField(default=0)
    cached_input_tokens = models.PositiveBigIntegerField(default=0)
    picture_tokens = models.PositiveBigIntegerField(default=0)
    output_tokens = models.PositiveBigIntegerField(default=0)
    characters = models.PositiveBigIntegerField(default=0)
    word_mark_characters = models.PositiveBigIntegerField(default=0)
    unheard_characters = models.PositiveBigIntegerField(default=0)
    cost_usd = usd_field()

    class Meta:
        verbose_name_plural = "daily usage"
        ordering: ClassVar = ["-day"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["day", "owner", "graph_name", "service", "provider", "model", "purpose"],
                name="one_row_of_each_days_use",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.service} {self.model}"
