"""Whether this process lives and whether it may get traffic; says one word, never a version or an address."""

import threading
import time
from dataclasses import dataclass

import redis
from asgiref.sync import sync_to_async
from django.db import DEFAULT_DB_ALIAS, connections
from django.db import Error as DjangoDatabaseError
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse

from sessions.redis_clients import control_client

CACHED_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _Verdict:
    reason: str | None
    at_seconds: float


class Readiness:
    """The last check's outcome, kept for CACHED_SECONDS, however many ask meanwhile."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._verdict: _Verdict | None = None
        self._is_migrated = False
        self.is_draining = False

    def reason(self) -> str | None:
        """Why not ready, in one word: draining, redis, database, migrations; None when ready."""
        if self.is_draining:
            return "draining"
        with self._lock:
            now = time.monotonic()
            if self._verdict is None or now - self._verdict.at_seconds >= CACHED_SECONDS:
                self._verdict = _Verdict(self._check(), time.monotonic())
            return self._verdict.reason

    def _check(self) -> str | None:
        try:
            control_client().ping()
        except redis.RedisError:
            return "redis"
        try:
            return self._check_database()
        except DjangoDatabaseError:
            return "database"

    def _check_database(self) -> str | None:
        connection = connections[DEFAULT_DB_ALIAS]
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        if not self._is_migrated:
            executor = MigrationExecutor(connection)
            self._is_migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
        return None if self._is_migrated else "migrations"


READINESS = Readiness()


def start_draining() -> None:
    """From now on no new traffic is wanted; for the end of the process."""
    READINESS.is_draining = True


async def livez(request: HttpRequest) -> JsonResponse:
    return _uncached(JsonResponse({"status": "ok"}))


async def readyz(request: HttpRequest) -> JsonResponse:
    reason = await sync_to_async(READINESS.reason)()
    if reason is None:
        return _uncached(JsonResponse({"status": "ok"}))
    return _uncached(JsonResponse({"status": "unavailable", "reason": reason}, status=503))


def _uncached(response: JsonResponse) -> JsonResponse:
    response["Cache-Control"] = "no-store"
    return response
