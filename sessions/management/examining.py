"""What `manage.py doctor` looks at: each examination tells what it found and, where something is wrong, the mend."""

import email.utils
import shutil
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

import redis
from django.db import DEFAULT_DB_ALIAS, connections
from django.db import Error as DjangoDatabaseError
from django.db.migrations.executor import MigrationExecutor

from sessions.management.first_checks import check_settings
from sessions.management.listening import check_free
from sessions.redis_clients import check_reached, control_client
from sessions.settings import WebSettings
from workers.errors import ConfigurationError, NovaError

Verdict = Literal["good", "weak", "bad"]
OLDEST_REDIS: Final = (6, 2)
LEAST_FREE_BYTES: Final = 1024**3
ANSWER_LIMIT_SECONDS: Final = 3.0
WEAK_SKEW_SECONDS: Final = 2.0
BAD_SKEW_SECONDS: Final = 240.0
"""AWS refuses signatures that are five minutes off."""


@dataclass(frozen=True, slots=True)
class Finding:
    what: str
    verdict: Verdict
    told: str
    mend: str = ""


def is_amazons(provider: str) -> bool:
    return ".aws_" in provider


def examine_settings(nova: WebSettings) -> Finding:
    try:
        check_settings(nova)
    except ConfigurationError as error:
        return Finding("settings", "bad", error.text, "correct the variable (README, Settings)")
    return Finding("settings", "good", "providers can be loaded, prices can be read")


def examine_redis(nova: WebSettings) -> Iterator[Finding]:
    client = control_client()
    try:
        check_reached()
        asked_at = time.monotonic()
        facts: Any = client.info()
        answered_ms = (time.monotonic() - asked_at) * 1_000
        seconds, microseconds = client.time()
    except (NovaError, redis.RedisError) as error:
        told = error.text if isinstance(error, NovaError) else f"Redis refuses: {error}"
        yield Finding("redis", "bad", told, "start a Redis, or correct REDIS_URL")
        return
    yield redis_finding(str(facts.get("redis_version", "0")), str(facts.get("maxmemory_policy", "")), answered_ms)
    yield clock_finding("clock of Redis", float(seconds) + float(microseconds) / 1_000_000 - time.time())


def redis_finding(version: str, policy: str, answered_ms: float) -> Finding:
    told = f"version {version}, {policy or 'policy unknown'}, answers in {answered_ms:.1f} ms"
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < OLDEST_REDIS:
        return Finding("redis", "bad", told, "take Redis 6.2 or newer")
    if policy not in ("", "noeviction"):
        return Finding(
            "redis", "bad", told, "set maxmemory-policy to noeviction: else talks vanish when memory is short"
        )
    return Finding("redis", "good", told)


def clock_finding(what: str, skew_seconds: float) -> Finding:
    told, skew = f"{skew_seconds:+.1f} s from ours", abs(skew_seconds)
    if skew < WEAK_SKEW_SECONDS:
        return Finding(what, "good", told)
    return Finding(
        what, "bad" if skew >= BAD_SKEW_SECONDS else "weak", told, "synchronise the clock (chrony, timesyncd)"
    )


def examine_database(_: WebSettings) -> Finding:
    connection = connections[DEFAULT_DB_ALIAS]
    try:
        executor = MigrationExecutor(connection)
        missing = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    except DjangoDatabaseError as error:
        told = f"{connection.vendor}: {str(error).splitlines()[0]}"
        return Finding("database", "bad", told, "start the database, or correct DATABASE_URL")
    if missing:
        return Finding("database", "bad", f"{connection.vendor}, {missing} migrations are missing", "manage.py migrate")
    return Finding("database", "good", f"{connection.vendor}, all migrations are there")


def examine_port(nova: WebSettings) -> Finding:
    place = f"{nova.host}:{nova.port}"
    try:
        check_free(nova.host, nova.port)
    except ConfigurationError as error:
        if _is_ours(place):
            return Finding("port", "good", f"{place}: a web process of this project answers")
        return Finding("port", "bad", error.text.partition(";")[0], "stop what uses it, or set PORT")
    return Finding("port", "good", f"{place} is free")


def examine_disk(_: WebSettings) -> Finding:
    free_bytes = shutil.disk_usage(".").free
    verdict: Verdict = "good" if free_bytes >= LEAST_FREE_BYTES else "weak"
    mend = "" if verdict == "good" else "make room: database and logs grow"
    return Finding("disk", verdict, f"{free_bytes / 1024**3:.1f} GiB free here", mend)


def examine_quotas(nova: WebSettings) -> Finding:
    """Of what the settings say the account has; the account itself is not asked."""
    if not is_amazons(nova.speech_to_text):
        return Finding("quotas", "good", f"{nova.sessions_max} sessions at once, stand-ins have no quotas")
    streams, most = nova.transcribe_streams_quota, nova.sessions_max
    told = f"{most} sessions at once, {streams} Transcribe streams"
    if most > streams:
        mend = "set SESSIONS_MAX no higher, or ask AWS for more and set NOVA_TRANSCRIBE_STREAMS_QUOTA"
        return Finding("quotas", "weak", f"{told}: the last of them would not be heard", mend)
    return Finding("quotas", "good", told)


def examine_aws_clock(nova: WebSettings) -> Finding:
    """By the date in an unsigned answer of Polly's, which costs nothing."""
    url = nova.aws.polly_endpoint_url or f"https://polly.{nova.aws.region}.amazonaws.com"
    try:
        date = _date_told_by(url, nova.aws.ca_bundle_path)
    except OSError as error:
        return Finding("clock of AWS", "bad", f"{url} cannot be reached: {error}", "look at the network and AWS_REGION")
    if not date:
        return Finding("clock of AWS", "weak", f"{url} tells no date", "compare the clock with another")
    return clock_finding("clock of AWS", email.utils.parsedate_to_datetime(date).timestamp() - time.time())


def _date_told_by(url: str, ca_bundle_path: str | None) -> str:
    trust = ssl.create_default_context(cafile=ca_bundle_path) if url.startswith("https:") else None
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_LIMIT_SECONDS, context=trust) as answer:  # noqa: S310 - settings
            return str(answer.headers.get("Date") or "")
    except urllib.error.HTTPError as refusal:
        return str(refusal.headers.get("Date") or "")


def _is_ours(place: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{place}/livez", timeout=ANSWER_LIMIT_SECONDS) as answer:
            return b'"ok"' in answer.read(1_000)
    except OSError:
        return False


EXAMINATIONS: tuple[Callable[[WebSettings], Finding | Iterator[Finding]], ...] = (
    examine_settings,
    examine_redis,
    examine_database,
    examine_port,
    examine_disk,
    examine_quotas,
)
