"""What needs an operator: looked at every half minute by one web process, told once when it begins and once when it ends."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, cast

import redis
import structlog
from django.utils import timezone

from sessions.figures import recent_figures
from sessions.quotas import QuotaUse, quotas_in_use
from sessions.redis_clients import control_client
from sessions.webhooks.queue import alert, queue_events
from workers.streams import keys

log = structlog.get_logger(__name__)

LOOK_SECONDS = 30.0
ENOUGH_TURNS = 10
ERROR_RATE = 0.1
SLOW_P95_MS = 4_000.0
TIGHT_SHARE = 0.9
KEPT_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Alert:
    code: str
    text: str
    value: float
    limit: float
    since: str = ""


def judge(recent: dict[str, Any], quotas: Sequence[QuotaUse]) -> list[Alert]:
    """What is wrong by these figures; pure."""
    found = []
    if recent["turns"] >= ENOUGH_TURNS:
        if recent["error_rate"] >= ERROR_RATE:
            text = f"{recent['error_rate']:.0%} of the last {recent['turns']} turns failed"
            found.append(Alert("errors_many", text, recent["error_rate"], ERROR_RATE))
        slow_ms = recent["delay"]["p95"]
        if slow_ms is not None and slow_ms >= SLOW_P95_MS:
            found.append(
                Alert("answers_slow", f"one answer in twenty begins after {slow_ms:.0f} ms", slow_ms, SLOW_P95_MS)
            )
    for quota in quotas:
        if quota.limit and quota.used / quota.limit >= TIGHT_SHARE:
            code = "quota_tight." + quota.name.split(",")[0].lower().replace(" ", "_")
            found.append(Alert(code, f"{quota.name}: {quota.used} of {quota.limit}", quota.used, quota.limit))
    return found


def look(now: datetime | None = None) -> list[Alert]:
    """Compare with the last look and tell what has changed. Raises DatabaseError or RedisError."""
    at = (now or timezone.now()).isoformat()
    before = {known.code: known for known in standing_alerts()}
    found = {each.code: each for each in judge(recent_figures(now or timezone.now()), quotas_in_use())}
    begun = [each for code, each in found.items() if code not in before]
    over = [known for code, known in before.items() if code not in found]
    queue_events(
        [
            *(alert(each.code, each.text, state="raised", value=each.value, limit=each.limit) for each in begun),
            *(alert(known.code, known.text, state="resolved", since=known.since) for known in over),
        ]
    )
    for each in begun:
        log.warning("alert_raised", code=each.code, text=each.text)
    standing = [
        Alert(**{**asdict(each), "since": before[code].since if code in before else at}) for code, each in found.items()
    ]
    control_client().set(keys.STANDING_ALERTS, json.dumps([asdict(each) for each in standing]), ex=KEPT_SECONDS)
    return standing


def standing_alerts() -> list[Alert]:
    """Raises RedisError."""
    kept = cast("bytes | None", control_client().get(keys.STANDING_ALERTS))
    return [Alert(**each) for each in json.loads(kept)] if kept else []


def alerts_if_known() -> list[Alert]:
    """For a page: none when Redis is away."""
    try:
        return standing_alerts()
    except (redis.RedisError, ValueError, TypeError):
        return []
