"""The claim of a channel and the limit of sessions, raced from several processes on one real database."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.postgres import postgres_url  # noqa: F401

PROCESSES = 2
THREADS = 10
ROUNDS = 5
LIMIT = 7


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'race.sqlite3'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


def _environment(database_url: str, redis_url: str, sessions_max: int) -> dict[str, str]:
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.django_settings",
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "SESSIONS_MAX": str(sessions_max),
        "NOVA_AUTH": "open",
        "NOVA_LOG_LEVEL": "WARNING",
    }


def _prepare(environment: dict[str, str]) -> None:
    for command in (["migrate", "--verbosity", "0"], ["flush", "--no-input", "--verbosity", "0"]):
        subprocess.run([sys.executable, "manage.py", *command], env=environment, check=True, timeout=60)


def _race(environment: dict[str, str], channel_name: str) -> Counter[str]:
    racers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.unit.claim_racer", str(THREADS), channel_name],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(PROCESSES)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    outcomes: Counter[str] = Counter()
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    for racer in racers:
        output, _ = racer.communicate(timeout=60)
        outcomes.update(json.loads(output))
    return outcomes


def test_of_twenty_claims_in_two_processes_exactly_one_wins(database_url: str, redis_url: str) -> None:
    environment = _environment(database_url, redis_url, sessions_max=100)
    _prepare(environment)
    for number in range(ROUNDS):
        outcomes = _race(environment, f"room-{number}")
        assert outcomes == {"0": 1, "10003": PROCESSES * THREADS - 1}


def test_twenty_claims_at_once_never_exceed_the_limit(database_url: str, redis_url: str) -> None:
    environment = _environment(database_url, redis_url, sessions_max=LIMIT)
    _prepare(environment)
    assert _race(environment, "-") == {"0": LIMIT, "10001": PROCESSES * THREADS - LIMIT}
