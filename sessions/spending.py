"""What has been spent today, by everyone: sums in Redis that every web process adds to and reads once a second."""

from collections import defaultdict
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import redis
from django.db.models import Sum
from redis import asyncio as aioredis

from sessions.models import DailyUsage
from sessions.redis_clients import control_client
from workers.errors import StreamsUnavailableError
from workers.streams import keys

SITE = "site"
KEPT_SECONDS = 172_800
WATCHED_OWNERS = 1_000


def today() -> date:
    return datetime.now(UTC).date()


class DaySpending:
    """One per web process; `exchange` runs in a loop, all else is memory. Days are UTC's."""

    def __init__(self, client: "aioredis.Redis") -> None:
        self._client = client
        self._day = today()
        self._totals: dict[str, Decimal] = {}
        self._unsent: dict[str, Decimal] = defaultdict(Decimal)

    def add(self, owner: str, usd: Decimal) -> None:
        self._unsent[_field(owner)] += usd
        self._unsent[SITE] += usd

    def of_owner(self, owner: str) -> Decimal:
        """What other processes have added is known a second after the first question."""
        return self._spent(_field(owner))

    @property
    def of_site(self) -> Decimal:
        return self._spent(SITE)

    async def exchange(self) -> None:
        """Raises RedisError; what could not be sent is sent next time."""
        if self._day != today():
            self._day, self._totals = today(), dict.fromkeys(self._totals, Decimal(0))
        sent, self._unsent = self._unsent, defaultdict(Decimal)
        watched = [SITE, *self._totals]
        key, is_done = keys.day_spending(self._day.isoformat()), False
        pipeline = self._client.pipeline(transaction=True)
        for field, usd in sent.items():
            pipeline.hincrbyfloat(key, field, float(usd))
        pipeline.expire(key, KEPT_SECONDS)
        pipeline.hmget(key, watched)
        try:
            values: Any = (await pipeline.execute())[-1]
            is_done = True
        finally:
            for field, usd in () if is_done else sent.items():
                self._unsent[field] += usd
        self._totals.update((field, _usd(value)) for field, value in zip(watched, values, strict=True))

    def _spent(self, field: str) -> Decimal:
        if field not in self._totals and len(self._totals) < WATCHED_OWNERS:
            self._totals[field] = Decimal(0)
        return self._totals.get(field, Decimal(0)) + self._unsent.get(field, Decimal(0))


def spent_today(owner: str) -> tuple[Decimal, Decimal]:
    """By this owner, and by the whole site. Raises StreamsUnavailableError."""
    try:
        values: Any = control_client().hmget(keys.day_spending(today().isoformat()), [_field(owner), SITE])
    except redis.RedisError as error:
        raise StreamsUnavailableError("Redis cannot be reached; try again in a moment") from error
    return _usd(values[0]), _usd(values[1])


def catch_up_with_rows() -> None:
    """A Redis that has lost its data gets the day's sums back from the rows. Raises RedisError, DatabaseError."""
    rows = DailyUsage.objects.filter(day=today()).values_list("owner").annotate(usd=Sum("cost_usd"))
    written = {_field(owner): usd for owner, usd in rows}
    written[SITE] = sum(written.values(), Decimal(0))
    client, key = control_client(), keys.day_spending(today().isoformat())
    known: Any = client.hmget(key, list(written))
    for (field, usd), value in zip(written.items(), known, strict=True):
        if usd > _usd(value):
            client.hincrbyfloat(key, field, float(usd - _usd(value)))
    client.expire(key, KEPT_SECONDS)


def _field(owner: str) -> str:
    return f"owner:{owner}"


def _usd(value: bytes | None) -> Decimal:
    return Decimal(value.decode()) if value is not None else Decimal(0)
