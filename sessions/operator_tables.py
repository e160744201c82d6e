"""What operators have set, in memory: API keys and graph settings; read again every few seconds, asked without I/O."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db.models import Q
from django.utils import timezone

from sessions.graphs.library import set_operator_graphs
from sessions.operator_models import ALL_SCOPES, ApiKey, GraphSetting

log = structlog.get_logger(__name__)

TABLES_SECONDS = 5.0
KEYS_MAX = 10_000
ENDED_KEPT_DAYS = 1
"""Much longer than a ticket lives, and than it takes to end what a key has opened."""


@dataclass(frozen=True, slots=True)
class KeyGrant:
    """What a key allows. None is the site's own limit; keys of NOVA_API_KEYS have no other."""

    owner: str
    scopes: frozenset[str] = frozenset(ALL_SCOPES)
    calls_per_minute: int | None = None
    sessions_at_once: int | None = None
    budget_usd_a_day: float | None = None
    expires_at: datetime | None = None

    def is_valid(self, now: datetime) -> bool:
        return self.expires_at is None or now < self.expires_at


@dataclass
class _Tables:
    by_digest: dict[str, KeyGrant] = field(default_factory=dict)
    by_owner: dict[str, KeyGrant] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    ended: frozenset[str] = frozenset()
    expiring: tuple[KeyGrant, ...] = ()


_tables = _Tables()


def digest_of(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def owner_of_digest(digest: str) -> str:
    """How an API key is known to rows, tickets and logs: never by itself."""
    return "key:" + digest[:40]


def find_key(key: str) -> KeyGrant | None:
    """The grant of an operator's key. The table is asked by hash, so its time tells nothing about a key."""
    digest = digest_of(key)
    grant = _tables.by_digest.get(digest)
    if grant is None or not grant.is_valid(timezone.now()):
        return None
    _tables.used.add(digest)
    return grant


def grant_of_owner(owner: str) -> KeyGrant | None:
    """Of an operator's key that is still valid; None for users and the keys of NOVA_API_KEYS."""
    return _tables.by_owner.get(owner)


def ended_owners() -> frozenset[str]:
    """Owners whose key was revoked or has expired lately; an expiry counts from its very moment."""
    now = timezone.now()
    expired = frozenset(grant.owner for grant in _tables.expiring if not grant.is_valid(now))
    return _tables.ended | expired if expired else _tables.ended


def key_budget_usd(owner: str) -> float | None:
    grant = grant_of_owner(owner)
    return grant.budget_usd_a_day if grant is not None else None


def read_tables() -> None:
    """Read all again and note which keys were used; raises DatabaseError, and the tables stay as they were."""
    now = timezone.now()
    valid = ApiKey.objects.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=now), revoked_at__isnull=True)
    grants = {row.digest: _grant(row) for row in valid[:KEYS_MAX]}
    lately = now - timedelta(days=ENDED_KEPT_DAYS)
    ended = ApiKey.objects.filter(Q(revoked_at__gt=lately) | Q(expires_at__gt=lately, expires_at__lte=now))
    ended_owners = frozenset(ended.order_by("-id").values_list("owner", flat=True)[:KEYS_MAX])
    used, _tables.used = _tables.used, set()
    if used:
        ApiKey.objects.filter(digest__in=used).update(last_used_at=now)
    _tables.by_digest, _tables.ended = grants, ended_owners
    _tables.expiring = tuple(grant for grant in grants.values() if grant.expires_at is not None)
    _tables.by_owner = {grant.owner: grant for grant in grants.values()}
    set_operator_graphs({row.graph_name: (row.is_enabled, _nodes(row)) for row in GraphSetting.objects.all()})


def forget_tables() -> None:
    """As before the first reading."""
    _tables.by_digest, _tables.by_owner, _tables.ended, _tables.expiring = {}, {}, frozenset(), ()
    set_operator_graphs({})


def _grant(row: ApiKey) -> KeyGrant:
    return KeyGrant(
        owner=row.owner,
        scopes=frozenset(row.scopes),
        calls_per_minute=row.calls_per_minute,
        sessions_at_once=row.sessions_at_once,
        budget_usd_a_day=float(row.budget_usd_a_day) if row.budget_usd_a_day is not None else None,
        expires_at=row.expires_at,
    )


def _nodes(row: GraphSetting) -> dict[str, Any]:
    return row.properties if isinstance(row.properties, dict) else {}
