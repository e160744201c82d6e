"""Usage as rows: each call once, a later word about it in its place, and its day's sums kept exactly in step."""

import dataclasses
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date
from decimal import Decimal
from typing import Any

from sessions.models import DailyUsage, Session, Usage
from sessions.records.entries import UsageEntry

SUMMED = (
    "seconds",
    "billed_seconds",
    "input_tokens",
    "cached_input_tokens",
    "picture_tokens",
    "output_tokens",
    "characters",
    "word_mark_characters",
    "cost_usd",
)
REPLACED = (*SUMMED, "provider", "model", "purpose", "is_estimated", "estimated_usd", "price_version")


@dataclasses.dataclass(frozen=True, slots=True)
class DayKey:
    day: date
    owner: str
    graph_name: str
    service: str
    provider: str
    model: str
    purpose: str = "talk"


Sums = defaultdict[DayKey, defaultdict[str, Any]]


def no_sums() -> Sums:
    return defaultdict(lambda: defaultdict(Decimal))


def write_usages(found: Iterable[tuple[Session, UsageEntry]], sums: Sums) -> dict[str, Decimal]:
    """The newest word about each; adds what has changed to `sums`, and returns by session what its costs rose by.

    Only while no other writer is at work: what was there before is read and then replaced.
    """
    newest = {entry.usage_id: (session, entry) for session, entry in found}
    if not newest:
        return {}
    before = {row.usage_id: row for row in Usage.objects.filter(usage_id__in=newest)}
    rows = [_row(session, entry, before.get(entry.usage_id)) for session, entry in newest.values()]
    costs: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        session, old = newest[row.usage_id][0], before.get(row.usage_id)
        _add(sums, _day_key(session, row), row, 1)
        if old is not None:
            _add(sums, _day_key(session, old), old, -1)
        costs[session.id] += row.cost_usd - (old.cost_usd if old is not None else 0)
    Usage.objects.bulk_create(rows, update_conflicts=True, unique_fields=["usage_id"], update_fields=list(REPLACED))
    return costs


def write_sums(sums: Sums) -> None:
    """Only while no other writer is at work, as above."""
    if not sums:
        return
    near = DailyUsage.objects.filter(day__in={key.day for key in sums}, owner__in={key.owner for key in sums})
    there = {_key_of(row): row for row in near}
    for key, changes in sums.items():
        row = there.get(key) or DailyUsage(**dataclasses.asdict(key))
        for name, change in changes.items():
            kind = type(getattr(row, name))
            setattr(row, name, kind(Decimal(getattr(row, name)) + change))
        there[key] = row
    changed = [there[key] for key in sums]
    DailyUsage.objects.bulk_create([row for row in changed if row.pk is None])
    fields = ["calls", "unheard_characters", *SUMMED]
    DailyUsage.objects.bulk_update([row for row in changed if row.pk is not None], fields)


def _row(session: Session, entry: UsageEntry, before: Usage | None) -> Usage:
    """A call stays on the day on which it was first told of."""
    fields = entry.model_dump()
    usd = {name: Decimal(fields.pop(name)) for name in ("estimated_usd", "cost_usd")}
    row = Usage(session=session, **fields, **usd)
    row.at = before.at if before is not None else row.at
    return row


def _day_key(session: Session, row: Usage) -> DayKey:
    day = row.at.astimezone(UTC).date()
    return DayKey(day, session.owner, session.graph_name, row.service, row.provider, row.model, row.purpose)


def _key_of(row: DailyUsage) -> DayKey:
    return DayKey(row.day, row.owner, row.graph_name, row.service, row.provider, row.model, row.purpose)


def _add(sums: Sums, key: DayKey, row: Usage, sign: int) -> None:
    sums[key]["calls"] += sign
    for name in SUMMED:
        sums[key][name] += sign * Decimal(getattr(row, name))
