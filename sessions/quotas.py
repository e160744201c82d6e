"""How much of each quota is in use now, as Redis knows it; what it cannot say is left out."""

import time
from dataclasses import dataclass
from typing import Any, cast

import redis
import structlog

from sessions.configured import web_settings
from sessions.models import Session, SessionState
from sessions.redis_clients import control_client
from workers.streams import keys

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class QuotaUse:
    name: str
    used: int
    limit: int


def quotas_in_use() -> list[QuotaUse]:
    """The site's sessions, the account's Transcribe streams, and Polly's calls by engine."""
    settings = web_settings()
    running = Session.objects.filter(state=SessionState.STARTED).count()
    sessions = QuotaUse("Sessions", running, settings.sessions_max)
    engines = sorted(settings.polly_limits)
    try:
        names = [keys.speech_places(engine, "running") for engine in engines]
        streams, *calls = _counted([keys.speech_streams(settings.transcribe_scope), *names])
    except redis.RedisError as error:
        log.warning("quotas_unknown", error=type(error).__name__)
        return [sessions]
    at_once = [
        QuotaUse(f"Polly {engine}, calls at once", count, settings.polly_limits[engine].concurrent)
        for engine, count in zip(engines, calls, strict=True)
        if count or engine == settings.engine
    ]
    return [sessions, QuotaUse("Transcribe streams", streams, settings.transcribe_streams_quota), *at_once]


def _counted(names: list[str]) -> list[int]:
    """Members whose lease has not run out; our clock will do, leases are seconds long."""
    now_ms = time.time() * 1_000
    pipeline: Any = control_client().pipeline(transaction=False)
    for name in names:
        pipeline.zcount(name, now_ms, "+inf")
    return cast("list[int]", pipeline.execute())
